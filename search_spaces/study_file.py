"""The study file: YAML in, a validated `Study` out, and back."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Self

import yaml
from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from pbb.config import (
    CurriculumName,
    EvaluateConfig,
    Frozen,
    ResponseFormat,
    TrainConfig,
    WrittenCurriculum,
)
from pbb.domains.configs import AlgorithmsConfig, AnyDomainConfig
from search_spaces.claim_rules import check_claims
from search_spaces.claims import Claim
from search_spaces.errors import StudyError, at_key
from search_spaces.explain import explain
from search_spaces.factors import FactorGrid, as_tuple
from search_spaces.names import NAME, RESERVED
from search_spaces.rules import (
    check_curricula,
    check_domain,
    check_headline,
    check_nuisances,
    check_processes,
    check_search,
    check_size,
)
from search_spaces.settings import (
    GridSearch,
    Headline,
    Primary,
    Programs,
    Range,
    Resources,
    Search,
    Tune,
)
from search_spaces.tune_rules import check_tune
from search_spaces.yaml12 import Document, Dumper, read_yaml

SHIPPED: Final = Path(__file__).parent / "studies"
SCHEMA_FILE: Final = "study.schema.json"
HEADER: Final = f"# yaml-language-server: $schema={SCHEMA_FILE}\n"
MAX_BYTES: Final = 1 << 20


def _nuisance_kind(value: object) -> str:
    return "range" if isinstance(value, dict | Range) else "value"


Nuisance = Annotated[
    Annotated[float, Tag("value")] | Annotated[Range, Tag("range")], Discriminator(_nuisance_kind)
]

Grids = Annotated[
    tuple[FactorGrid, ...],
    Field(min_length=1),
    BeforeValidator(as_tuple, json_schema_input_type=FactorGrid | list[FactorGrid]),
]


class Study(Frozen):
    """A question, what varies to answer it, and how each run is made."""

    name: str
    question: Annotated[str, Field(min_length=1)]
    domain: AnyDomainConfig
    data_seed: Annotated[int, Field(ge=0)]
    """Fixes programs and items."""
    factors: Grids
    """One grid, or a list of grids whose points are united."""
    curricula: dict[CurriculumName, WrittenCurriculum] = Field(default_factory=dict)
    """Curricula of the study's own by name, each a list of stages."""
    nuisances: dict[str, Nuisance] = Field(default_factory=dict)
    """Dotted paths into `train`: a value, or with the design tpe the range to search."""
    search: Search = GridSearch()
    tune: Tune | None = None
    """Nuisances to choose on validation programs before anything is measured."""
    programs: Programs = Programs()
    train: TrainConfig
    """`formats`, unless given, are the response formats of all factors in equal shares."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """Without `response_formats`, which are a factor."""
    resources: Resources = Resources()
    headline: Headline
    primary: Primary | None = None
    claims: tuple[Claim, ...] = ()
    """Contrasts with a side and a margin, for the analysis alone."""
    smoke: dict[str, Any] = Field(default_factory=dict)
    """Overrides, merged over the study, that shrink it to a run of minutes."""

    @field_validator("name")
    @classmethod
    def _name_is_a_folder(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            raise ValueError(
                "it names a folder, so use 1-64 of a-z 0-9 . _ -, the first a letter or digit"
            )
        if RESERVED.fullmatch(name):
            raise ValueError("reserved; choose another name")
        return name

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if "response_formats" in self.evaluate.model_fields_set:
            raise at_key(
                "evaluate.response_formats",
                "is a factor; write it as factors.response_format",
            )
        check_size(self.factors)
        check_domain(self.domain, self.factors)
        check_search(self.search, self.factors, self.nuisances)
        check_nuisances(self.train, self.nuisances)
        check_curricula(self.curricula, self.train, self.nuisances, self.factors)
        check_processes(self.resources, self.curricula, self.factors)
        if self.tune is not None:
            check_tune(self.tune, self.search, self.factors, self.train, self.nuisances)
        check_headline(self.headline, self.primary, self.factors)
        check_claims(self.claims, self.grids, self.domain_paths, self.headline, self.primary)
        untrained = set(self.response_formats()) - set(self.train_formats())
        if untrained:
            raise at_key("train.formats", f"lacks {min(untrained)!r}, which is evaluated; add it")
        return self

    @property
    def domain_paths(self) -> int | None:
        """Execution paths that the domain asks of a program; null where it has no such setting."""
        return getattr(self.domain, "paths", None)

    @property
    def grids(self) -> tuple[FactorGrid, ...]:
        """The factors' grids, each with every setting of the domain that any of them varies.

        And so with replay. Else a default, named in one grid and unnamed in another, would be two
        runs.
        """
        varied = {name for grid in self.factors for name in grid.domain}
        defaults = {name: (getattr(self.domain, name),) for name in varied}
        unsaid = {"replay": (self.train.replay,), "replay_source": ("stage1",)}
        named = {key for key in unsaid for grid in self.factors if getattr(grid, key) is not None}
        return tuple(
            grid.model_copy(
                update={"domain": {**defaults, **grid.domain}}
                | {key: getattr(grid, key) or unsaid[key] for key in named}
            )
            for grid in self.factors
        )

    def response_formats(self) -> tuple[ResponseFormat, ...]:
        """Formats evaluated anywhere in the study, in their canonical order."""
        return tuple(sorted({f for grid in self.factors for f in grid.response_format}))

    def train_formats(self) -> tuple[ResponseFormat, ...]:
        """Formats that stage 1 trains equally."""
        given = "formats" in self.train.model_fields_set
        return self.train.formats if given else self.response_formats()


def load_study(path_or_name: str | Path) -> Study:
    """Read a study file, or a shipped study by its bare name. Raises StudyError."""
    path = _located(path_or_name)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        text = raw.decode("utf-8")
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: is not UTF-8 text ({error.reason})") from error
    return _with_functions(parse_study(text, str(path)), path)


def _with_functions(study: Study, path: Path) -> Study:
    """The user's own functions, where the study names a folder, as a part of the study itself.

    What is trained on is then told whole by the study, wherever a stage may run.
    """
    if not isinstance(study.domain, AlgorithmsConfig) or study.domain.folder is None:
        return study
    from pbb.domains.algorithms.embedding import embed

    try:
        domain = embed(study.domain, path.parent)
    except ValueError as error:
        raise StudyError(f"{path}: domain.folder = {study.domain.folder}: {error}") from error
    return study.model_copy(update={"domain": domain})


def _located(path_or_name: str | Path) -> Path:
    path = Path(path_or_name)
    if path.is_file():
        return path
    if path.is_dir():
        raise StudyError(f"{path}: is a folder; name a study file (YAML)")
    shipped = {file.stem: file for file in sorted(SHIPPED.rglob("*.yaml"))}
    if str(path_or_name) in shipped:
        return shipped[str(path_or_name)]
    close = difflib.get_close_matches(str(path_or_name), shipped, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    names = ", ".join(shipped) or "none"
    raise StudyError(f"{path_or_name}: no such file, nor a shipped study ({names}){hint}")


def parse_study(text: str, source: str) -> Study:
    """Text of a study file -> Study. Raises StudyError with `source` and the line."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise StudyError(f"{source}: larger than {MAX_BYTES} bytes; a study file is a few kB")
    document = read_yaml(text, source)
    study = _validated(document.data, document)
    if study.smoke:
        _validated(smoke_data(study), document, prefix=("smoke",))
    return study


def _validated(data: object, document: Document, prefix: tuple[str, ...] = ()) -> Study:
    """Through JSON, whose strict rules keep `"3"` and `true` from passing as numbers."""
    try:
        return Study.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        raise StudyError(explain(error, Study, document, prefix)) from error


def study_data(study: Study) -> dict[str, Any]:
    """What the author set, as plain data: a lone grid as a mapping, a lone value as a scalar."""
    data = study.model_dump(mode="json", exclude_unset=True)
    grids = [
        {key: _lone(values) for key, values in grid.items() if values} for grid in data["factors"]
    ]
    return {**data, "factors": grids[0] if len(grids) == 1 else grids}


def _lone(values: Any) -> Any:
    """A list of one as its value; the domain's settings likewise, each."""
    if isinstance(values, Mapping):
        return {key: _lone(each) for key, each in values.items()}
    return values[0] if len(values) == 1 else values


def smoke_data(study: Study) -> dict[str, Any]:
    """The study with its `smoke` overrides merged in, named `<name>-smoke`.

    It claims nothing unless the overrides do: a few steps of training test the machinery alone.
    """
    data = study_data(study)
    overrides = data.pop("smoke", {})
    data.pop("claims", None)
    return {**merged(data, overrides), "name": f"{study.name}-smoke"}


def smoke_study(study: Study) -> Study:
    """The study shrunk by its own `smoke` section. Raises StudyError where it has none."""
    if not study.smoke:
        raise StudyError(f"study {study.name!r} has no `smoke:` section; add one, or run it whole")
    return Study.model_validate_json(json.dumps(smoke_data(study)), strict=True)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`: mappings merge key by key; anything else is replaced."""
    both = {
        key: merged(below[key], value)
        if isinstance(value, Mapping) and isinstance(below.get(key), Mapping)
        else value
        for key, value in above.items()
    }
    return {**below, **both}


def dump_study(study: Study) -> str:
    """YAML that `parse_study` reads back to an equal Study."""
    return HEADER + yaml.dump(study_data(study), Dumper=Dumper, sort_keys=False, allow_unicode=True)


def study_schema() -> dict[str, Any]:
    """JSON Schema of the study file, for editors."""
    schema = Study.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
