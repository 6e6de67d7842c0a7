"""How a study searches: Optuna's storage, samplers and pruners, as the options name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from dlspec.tuning.folder import StudyFolder

_NAME = "dlspec"
_STARTUP = 5
"""Trials that are finished before any other is given up, or drawn by what was learned."""


class StudyOptions(NamedTuple):
    """What a study is told beside the spec.

    trials: how many there are at the end, those of earlier calls included.
    jobs:   how many are trained at once.
    metric: the figure of the validation split that decides, higher or lower.
    pruner: `median`, `hyperband` or `none`; sampler: `tpe` or `random`.
    task:   what a worker is told with every trial: device, data.
    settings: overrides of every trial, beneath its own values.
    """

    trials: int
    jobs: int
    metric: str
    higher: bool
    pruner: str
    sampler: str
    seed: int
    epochs: int | None
    task: Mapping[str, Any]
    settings: Mapping[str, str]


def opened(folder: StudyFolder, options: StudyOptions) -> Any:
    """Optuna's study in the folder's database."""
    import optuna
    from sqlalchemy import URL

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = URL.create("sqlite", database=str(folder.database.resolve()))
    storage = optuna.storages.RDBStorage(url.render_as_string())
    return optuna.create_study(
        study_name=_NAME,
        storage=storage,
        sampler=sampler_of(options, 0),
        pruner=_pruner(options),
        direction="maximize" if options.higher else "minimize",
        load_if_exists=True,
    )


def sampler_of(options: StudyOptions, number: int) -> Any:
    """What draws the values of a trial, a function of the seed and its number."""
    from optuna.samplers import RandomSampler, TPESampler

    seed = (options.seed * 1_000_003 + number) % 2**32
    if options.sampler == "random":
        return RandomSampler(seed=seed)
    return TPESampler(seed=seed, n_startup_trials=2 * _STARTUP, constant_liar=options.jobs > 1)


def _pruner(options: StudyOptions) -> Any:
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    if options.pruner == "hyperband":
        return HyperbandPruner(max_resource=options.epochs or "auto")
    if options.pruner == "median":
        return MedianPruner(n_startup_trials=_STARTUP)
    return NopPruner()
