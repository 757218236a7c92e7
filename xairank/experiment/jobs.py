"""The jobs of a sweep, known before they start and judged by what they leave, whichever launcher ran them.

Launchers may run jobs in other processes or on other machines, so what a job leaves in its run folder counts, nothing
that a process remembers.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from xairank.config import CONFIGURATION, composition_message, require_keys, validate
from xairank.errors import UserError
from xairank.experiment.launchers import check_launcher, prefer_own_files
from xairank.experiment.preflight import check_run, identify_weights
from xairank.experiment.ranked_config import complete_ranking, identify_ranked
from xairank.runs.folder import RunFolder
from xairank.runs.grouping import is_ranked_only
from xairank.runs.identity import run_label

SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


@dataclass(frozen=True)
class Job:
    """One run of a sweep: its overrides, and its folder or the mistake that keeps it from having one."""

    overrides: tuple[str, ...]
    folder: RunFolder | None
    mistake: str = ""

    @property
    def failure(self) -> str:
        """Why it has no result, in one line; an empty text where it has one."""
        if self.folder is None:
            return self.mistake
        try:
            self.folder.check_owner()
            if self.folder.complete:
                return ""
        except UserError as error:
            return str(error)
        if busy := self.folder.busy():
            return busy
        if self.folder.failure.is_file():
            report = self.folder.failure.read_text(encoding="utf-8").strip().splitlines()
            return report[-1] if report else "failed"
        return f"{self.folder.path}: ended without a result (killed?); run the same command again to resume it"


def run_folder(config: DictConfig, overrides: Sequence[str]) -> RunFolder:
    """The folder of a composed configuration.

    Raises:
        UserError: The configuration is not allowed, or there is no such file of weights.
    """
    resolved = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(resolved, dict)
    plain: dict[str, Any] = {str(key): value for key, value in resolved.items()}
    require_keys(plain)
    validate(plain)
    if is_ranked_only(plain):
        plain = complete_ranking(plain, overrides)
        weights = identify_ranked(plain)
        label = run_label(overrides, plain["seed"], weights)
    else:
        weights = identify_weights(plain["model"])
        label = run_label(overrides, plain["seed"], weights if plain["model"]["encoder_weights"] else None)
    return RunFolder(Path("multirun") / plain["name"] / label, plain, weights)


def plan(
    overrides: Sequence[str], *, config_dir: str = str(CONFIGURATION), config_name: str = "train"
) -> list[Job] | None:
    """The jobs of a sweep; None where another sweeper than Hydra's basic one chooses them as it goes.

    Args:
        overrides: Of the command.
        config_dir: Hydra's folder of configurations.
        config_name: The configuration to start from.

    Raises:
        UserError: The command cannot be parsed, or what its launcher needs is not there.
    """
    prefer_own_files()
    with initialize_config_dir(str(Path(config_dir).resolve()), version_base="1.3"):
        parse = OverridesParser.create().parse_overrides
        try:
            fixed = [str(one.input_line) for one in parse(list(overrides)) if not one.is_sweep_override()]
            hydra = compose(config_name, fixed, return_hydra_config=True).hydra
            check_launcher(hydra.runtime.choices["hydra/launcher"])
            if hydra.sweeper.get("_target_") != SWEEPER:
                return None
            parameters = [f"{key}={value}" for key, value in (hydra.sweeper.get("params") or {}).items()]
            parsed = parse([*parameters, *overrides])
            (jobs,) = BasicSweeper.split_arguments([one for one in parsed if not one.is_hydra_override()], None)
        except (HydraException, OmegaConfBaseException) as error:
            raise UserError(composition_message(error, config_name)) from None
        own = [str(one.input_line) for one in parsed if one.is_hydra_override()]
        composer = Composer(config_name, own)
        return [_job(job, composer) for job in jobs]


class Composer:
    """Composes the configurations of a sweep: once for each choice of groups, which takes a fifth of a second.

    Args:
        config_name: The configuration to start from.
        own: Hydra's own overrides.
    """

    def __init__(self, config_name: str, own: Sequence[str]) -> None:
        self.config_name = config_name
        self.own = own
        loader = GlobalHydra.instance().config_loader()
        assert isinstance(loader, ConfigLoaderImpl)
        self._is_group = functools.cache(loader.repository.group_exists)
        self._parsed = functools.cache(lambda text: OverridesParser.create().parse_override(text))
        self._composed = functools.cache(lambda groups: compose(config_name, [*groups, *own]))

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """The configuration of a run: its groups, and then its keys in their order, as Hydra does it."""
        parsed = {text: self._parsed(text) for text in overrides}
        groups = tuple(text for text, override in parsed.items() if self._chooses(override))
        config: DictConfig = self._composed(groups).copy()
        ConfigLoaderImpl._apply_overrides_to_config([parsed[text] for text in overrides if text not in groups], config)
        return config

    def _chooses(self, override: Override) -> bool:
        return override.package is not None or self._is_group(override.key_or_group)


def _job(overrides: Sequence[str], composer: Composer) -> Job:
    try:
        return Job(tuple(overrides), run_folder(composer.compose(overrides), overrides))
    except UserError as error:
        return Job(tuple(overrides), None, str(error))
    except (HydraException, OmegaConfBaseException) as error:
        return Job(tuple(overrides), None, composition_message(error, composer.config_name))


def check_jobs(jobs: Sequence[Job]) -> None:
    """Ends a sweep that cannot give a result, in one line for all of its runs.

    Raises:
        UserError: Every run that is not complete makes the same mistake.
    """
    _check_folders(jobs)
    mistakes = []
    for mistake in _mistakes(jobs):
        if not mistake:
            return
        mistakes.append(mistake)
    if len(set(mistakes)) == 1:
        which = "all" if len(mistakes) == len(jobs) else "the other"
        many = f" ({which} {len(mistakes)} runs of the sweep)" if len(mistakes) > 1 else ""
        raise UserError(mistakes[0] + many)


def _check_folders(jobs: Sequence[Job]) -> None:
    """Refuses two runs of other configurations in one folder."""
    first: dict[Path, Job] = {}
    for job in jobs:
        if job.folder is None:
            continue
        before = first.setdefault(job.folder.path, job)
        if before.folder is not None and before.folder.identity != job.folder.identity:
            raise UserError(
                f"{job.folder.path}: two runs of the sweep have this folder and other configurations "
                f"({','.join(before.overrides)} and {','.join(job.overrides)}); run them under two names"
            )


def _mistakes(jobs: Sequence[Job]) -> Iterator[str]:
    """A run's mistake, or an empty text; complete runs are not looked at."""
    for job in jobs:
        if job.folder is None:
            yield job.mistake
        elif not job.failure:
            continue
        else:
            try:
                check_run(job.folder.config, job.folder.path)
            except UserError as error:
                yield str(error)
            else:
                yield ""
