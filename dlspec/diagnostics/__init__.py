"""Diagnostics: what they are, their codes, their renderings, the `explain` pages."""

from dlspec.diagnostics.model import Diagnostic, Fix, Label, Report, Severity, SpecError

__all__ = ["Diagnostic", "Fix", "Label", "Report", "Severity", "SpecError"]
