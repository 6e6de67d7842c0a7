"""Searching for good settings: trials of a spec with values from its search ranges.

study    decides what is tried next and what is given up, with Optuna, and remembers it
worker   trains trials, in a process of its own
folder   the files of a study
space    search ranges as Optuna's distributions, and values as texts of the language
"""
