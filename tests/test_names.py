"""Names by convention: built, read back, and made of other people's names."""

from datetime import date, datetime, time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conventions_text import CONVENTIONS
from engine.names import build, parse, slugify, template_fields
from log_paths import Value, is_legal_name, is_slug, numbered

MODEL = "{model_type}_v{metric}_{date}.{ext}"
PRODUCTION = "{model_type}_v{metric}.{ext}"
LOG = "{model_type}_training_{date}_{time}.log"
EXPERIMENT = "{date:%Y-%m-%d}_{model_type}[_{experiment_name}]"
TEMPLATES = [
    MODEL,
    PRODUCTION,
    LOG,
    EXPERIMENT,
    "{model_type}_v{metric}_summary.md",
    "logs_before_{date}",
    "{model_type}[-{metric}][.{ext}]",
    "{time:%H-%M-%S}_{date:%d.%m.%Y}_{model_type}",
]

slugs = st.from_regex(r"[a-z0-9][a-z0-9_]{0,30}", fullmatch=True).filter(is_slug)
dates = st.none() | st.dates(date(1000, 1, 1))
times = st.none() | st.times().map(lambda moment: moment.replace(microsecond=0))
metrics = st.none() | st.floats(-1e6, 1e6)
extensions = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,8}(\.[a-z]{1,4})?", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("PAT-Conv-L", "pat_conv_l"),
        ("VGG16/bn", "vgg16_bn"),
        ("  Größe (final).v2 ", "grosse_final_v2"),
        ("", ""),
        ("模型", ""),
        ("con", "con_"),
        ("x" * 80, "x" * 64),
    ],
)
def test_slugify_comes_near(text: str, slug: str) -> None:
    """The slug of a name keeps its letters and digits, whatever stands between them."""
    assert slugify(text) == slug


@settings(max_examples=100)
@given(st.text())
def test_slugify_is_total(text: str) -> None:
    """Any text has a slug, which is valid or empty, and is its own slug."""
    slug = slugify(text)
    assert slug == "" or is_slug(slug)
    assert slugify(slug) == slug


@pytest.mark.parametrize(
    ("template", "name", "fields"),
    [
        (
            MODEL,
            "pat_conv_l_v0.5929_20250725.pth",
            {"model_type": "pat_conv_l", "metric": "0.5929", "date": "20250725", "ext": "pth"},
        ),
        (
            MODEL,
            "a_v1_v-0.1000_undated.pth.tar",
            {"model_type": "a_v1", "metric": "-0.1000", "date": "undated", "ext": "pth.tar"},
        ),
        (PRODUCTION, "a_vunknown", {"model_type": "a", "metric": "unknown", "ext": ""}),
        (
            LOG,
            "a_training_20250725_104438_2.log",
            {"model_type": "a", "date": "20250725", "time": "104438"},
        ),
        (
            EXPERIMENT,
            "2025-07-25_pat_conv_l_simplified",
            {"date": "20250725", "model_type": "pat_conv_l", "experiment_name": "simplified"},
        ),
        (
            EXPERIMENT,
            "2025-07-25_vit_large",
            {"date": "20250725", "model_type": "vit_large", "experiment_name": ""},
        ),
    ],
)
def test_parse_reads_names(template: str, name: str, fields: dict[str, str]) -> None:
    """A name that follows its template falls into its fields, in plain forms."""
    assert parse(template, name, model_types=["pat", "pat_conv_l", "pat_conv"]) == fields


@pytest.mark.parametrize(
    ("template", "name"),
    [
        (PRODUCTION, "pat_conv_l_v0.5929_20250725.pth"),
        (MODEL, "a_v0.5929_20250231.pth"),
        (MODEL, "A_v0.5929_20250725.pth"),
        (MODEL, "con_v.pth"),
        (MODEL, "a_v٠.٥_20250725.pth"),
        (MODEL, "a_v0.5929_20250725.pth\n"),
        ("{model_type}.{ext}", "nul.pth"),
        (EXPERIMENT, "2025-07-25_"),
        (LOG, "../a_training_20250725_104438.log"),
        (MODEL, ""),
    ],
)
def test_parse_refuses_other_names(template: str, name: str) -> None:
    """A name that does not follow the template has no fields."""
    assert parse(template, name) is None


def test_parse_wants_the_decimals_it_is_told() -> None:
    """Told the number of decimals, parse refuses metrics with another."""
    assert parse(PRODUCTION, "a_v0.593.pth", decimals=4) is None
    assert parse(PRODUCTION, "a_v0.593.pth", decimals=3) is not None
    assert parse(PRODUCTION, "a_v93.pth", decimals=0) is not None
    assert parse(PRODUCTION, "a_v93.5.pth", decimals=0) is None
    assert parse(PRODUCTION, "a_v0.00032.pth", decimals=4) is None


def _shown(metric: float, decimals: int) -> str:
    usual, two_digits = f"{metric:z.{decimals}f}", f"{Decimal(f'{metric:.1e}'):f}"
    is_tiny = metric != 0 and float(usual) == 0 and len(two_digits.partition(".")[2]) <= 12
    return two_digits if is_tiny else usual


@pytest.mark.parametrize("template", TEMPLATES)
@settings(max_examples=30)
@given(slugs, slugs | st.just(""), dates, times, metrics, extensions | st.just(""), st.data())
def test_parse_gives_back_what_build_took(
    template: str,
    model_type: str,
    experiment_name: str,
    day: date | None,
    moment: time | None,
    metric: float | None,
    ext: str,
    data: st.DataObject,
) -> None:
    """Every valid set of fields survives being written into a name and read from it again."""
    decimals = data.draw(st.integers(0, 6))
    values: dict[str, Value] = {
        "model_type": model_type,
        "experiment_name": experiment_name,
        "date": day,
        "time": moment,
        "metric": metric,
        "ext": ext,
    }
    texts = {
        "model_type": model_type,
        "experiment_name": experiment_name,
        "date": f"{day:%Y%m%d}" if day else "undated",
        "time": f"{moment:%H%M%S}" if moment else "unknown",
        "metric": "unknown" if metric is None else _shown(metric, decimals),
        "ext": ext,
    }
    name = build(template, decimals=decimals, **values)
    vocabulary = [model_type] if "experiment_name" in template else []
    expected = {field: texts[field] for field in template_fields(template)}
    assert is_legal_name(name)
    assert parse(template, name, model_types=vocabulary, decimals=decimals) == expected
    assert parse(template, name, model_types=vocabulary) == expected


@settings(max_examples=100)
@given(st.sampled_from(TEMPLATES), st.text(alphabet="av_0129.-unkowdte[{}]\n/", max_size=40))
def test_parse_takes_any_name(template: str, name: str) -> None:
    """Whatever a file is called, parse answers with texts or None."""
    fields = parse(template, name, model_types=["a"])
    assert fields is None or all(isinstance(text, str) for text in fields.values())


@pytest.mark.parametrize("metric", [float("nan"), float("inf"), -float("inf"), 1e300, None])
def test_numbers_without_a_name_are_unknown(metric: float | None) -> None:
    """A metric that has no sensible decimals is written as unknown."""
    assert build(PRODUCTION, model_type="a", metric=metric, ext="pt") == "a_vunknown.pt"


def test_minus_zero_is_zero() -> None:
    """A metric that is zero in a name has no sign."""
    assert build(PRODUCTION, model_type="a", metric=-1e-19, ext="pt") == "a_v0.0000.pt"


@pytest.mark.parametrize(
    ("metric", "decimals", "name"),
    [
        (3.214e-05, 4, "a_v0.000032.pt"),
        (9.96e-06, 4, "a_v0.000010.pt"),
        (-4e-05, 4, "a_v-0.000040.pt"),
        (0.004, 2, "a_v0.0040.pt"),
        (0.3, 0, "a_v0.30.pt"),
        (6e-05, 4, "a_v0.0001.pt"),
        (0.0, 4, "a_v0.0000.pt"),
        (1e-30, 4, "a_v0.0000.pt"),
    ],
)
def test_a_tiny_metric_is_not_zero_in_a_name(metric: float, decimals: int, name: str) -> None:
    """Losses of 3e-05 and 8e-06 have other names, which are read back, also strictly."""
    assert build(PRODUCTION, model_type="a", metric=metric, ext="pt", decimals=decimals) == name
    fields = parse(PRODUCTION, name, decimals=decimals)
    assert fields == {"model_type": "a", "metric": name[3:-3], "ext": "pt"}


@pytest.mark.parametrize(
    "fields",
    [
        {"model_type": "A"},
        {"model_type": ""},
        {"model_type": None},
        {"model_type": "../x"},
        {"model_type": "con"},
        {"model_type": "a\n"},
        {"model_type": "x" * 65},
        {"experiment_name": "-rf"},
        {"experiment_name": "$(x)"},
        {"ext": "pt/../x"},
        {"ext": "5"},
        {"date": "2025-07-25"},
    ],
)
def test_build_refuses_values_that_have_no_place_in_a_name(fields: dict[str, Value]) -> None:
    """A field that would break the name raises, with one line."""
    good: dict[str, Value] = {"model_type": "a", "experiment_name": "b", "date": None, "ext": "pt"}
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
        build("{date}_{model_type}_{experiment_name}.{ext}", decimals=4, **{**good, **fields})


def test_build_names_the_field_that_is_missing() -> None:
    """A field that the template needs and nobody gave is named."""
    with pytest.raises(ValueError, match=r"needs the field \{metric\}"):
        build(MODEL, model_type="a")


@pytest.mark.parametrize(
    "template",
    [
        "{model_type}{experiment_name}",
        "{model_type}_{experiment_name}",
        "{model_type}_{model_type}",
        "{model_type}_{nonsense}",
        "{model_type",
        "model_type}",
        "[x]{model_type}",
        "[[{model_type}]]",
        "logs/{date}",
        "{date:%Y/%m/%d}",
        "{date:%Y-%m}",
        "{date:%B}",
        "{model_type}:{date}",
        "-{model_type}",
        "{date}.",
        "con",
        "",
        "x" * 256,
    ],
)
def test_templates_that_cannot_work_are_refused(template: str) -> None:
    """A template is refused if what it builds is no legal name or cannot be read back."""
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
        template_fields(template)


def test_the_usual_templates_work() -> None:
    """The templates that the project ships with are all accepted."""
    names = CONVENTIONS.partition("[names]")[2].partition("[metric]")[0]
    templates = [line.split('"')[1] for line in names.splitlines() if "{" in line]
    assert len(templates) == 8
    assert all(map(template_fields, templates))


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("a.log", "a_2.log"),
        ("a.tar.gz", "a_2.tar.gz"),
        ("a_v0.5929", "a_v0.5929_2"),
        ("a_v0.5929.pth", "a_v0.5929_2.pth"),
        ("2025-07-25_a", "2025-07-25_a_2"),
    ],
)
def test_the_second_of_a_name_is_numbered_before_its_extensions(name: str, second: str) -> None:
    """`_2` stands at the end of the stem, and a metric's decimals are no extension."""
    assert numbered(name, 1) == name
    assert numbered(name, 2) == second


def test_a_moment_serves_as_date_and_time() -> None:
    """One datetime fills both fields."""
    now = datetime(2025, 7, 25, 10, 44, 38)
    assert build(LOG, model_type="a", date=now, time=now) == "a_training_20250725_104438.log"
