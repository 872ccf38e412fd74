"""The HTML report: one file that needs no network, in a real browser and without one."""

import json
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from engine.checks.subject import Violation
from engine.project import open_project
from engine.recognition.scan import Inventory
from engine.reports import report_html
from engine.reports.curves import Curve
from engine.reports.overview import Archive, Experiment, Overview, Told
from projects import changed, just, recipe, recipe_json, tree
from trained_project import new_project, train

NOW = datetime(2025, 8, 2, 12)
FIRST, SECOND = "2025-07-25_net_first", "2025-08-01_net_second"
AT = ("--now", "2025-08-02T12:00:00")
RUNS = "document.title='ran'"
EVIL = f'<script>{RUNS}</script><img src=x onerror="{RUNS}">\'"&\x1b\u202e'
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium and chromedriver on this machine"
)


def run(name: str, value: float | None = None, *, points: Sequence[float] = (), **more: Any) -> Any:
    """Return an experiment; without a value nothing is known of how good it is."""
    curve = Curve(None if value is None else "auc", "max", value, (), tuple(points))
    facts = {"state": "finished", "model_type": "net", "started": NOW - timedelta(days=3), **more}
    path = f"training/experiments/active/{name}"
    return Experiment(name, path, "finished", None, None, 1000, 1, curve)._replace(**facts)


def overview(*experiments: Experiment, archives: Sequence[Archive] = ()) -> Overview:
    disk = {"active": 3000, "archived": 0, "production": 0, "quarantine": 5, "free": 10**9}
    nothing = Inventory({}, frozenset(), {})
    return Overview(experiments, (), tuple(archives), disk, None, None, nothing)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_project(tmp_path_factory.mktemp("report"))


def page(root: Path, seen: Overview, found: Sequence[Violation] = ()) -> str:
    opened = open_project(root, root / "training/conventions.toml", {})
    return report_html.page(opened, seen, found, ("just train", EVIL), NOW)


SEEN = overview(
    run("a_middle", 0.6, points=[0.5, 0.55, 0.6], size=20, model_type="cnn"),
    run("b_best", 0.9, points=[0.7, 0.9], size=1000, state="failed"),
    run("c_worst", 0.11, size=300),
    run("d_unknown"),
    run(EVIL, 0.2, model_type=EVIL),
    archives=[
        Archive("e_packed", "x/e_packed.tar.gz", 7, None, EVIL, Told(metric="auc", value=0.7))
    ],
)
RANKED = ["b_best", "e_packed", "a_middle", EVIL, "c_worst", "d_unknown"]


# --- what stands in it ----------------------------------------------------------------------------


class Outline(HTMLParser):
    """What a reader of a page meets, tag by tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_user_text_is_text(project: Path) -> None:
    """Whatever a run, a type, a message is called: no tag and no control character comes of it."""
    outline = Outline(page(project, SEEN, [Violation(EVIL, 1, EVIL, EVIL)]))
    assert len(outline.all("script")) == 1
    assert not outline.all("img")
    said = "".join(outline.text)
    shown = EVIL.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")
    assert said.count(shown) >= 8
    assert not {"\x1b", "\u202e"} & set(said)


def test_a_restored_run_and_its_archive_both_take_space(project: Path) -> None:
    """They have one name, and each its own bar among the largest."""
    archive = Archive("same", "x/same.tar.gz", 1_000_000, None, None)
    seen = overview(run("same", 0.5, size=2_000_000), archives=[archive])
    said = "".join(Outline(page(project, seen)).text).partition("The largest runs")[2]
    assert [size for size in ("2.0 MB", "1.0 MB") if size in said] == ["2.0 MB", "1.0 MB"]


def test_nothing_is_fetched_from_anywhere(project: Path) -> None:
    """No address stands in the file, and its policy forbids what is not in it."""
    text = page(project, SEEN)
    outline = Outline(text)
    assert "://" not in text
    for _, attributes in outline.tags:
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith(("#", "data:,"))
    policy = outline.all("meta")[1]["content"] or ""
    assert policy.startswith("default-src 'none'")
    assert "unsafe-inline" not in policy.split("script-src")[1]


def test_the_page_is_made_for_screen_readers(project: Path) -> None:
    """Tables have captions and scopes, drawings a text or no voice, ids are unique and meant."""
    outline = Outline(page(project, SEEN, [Violation("a", 1, "b", "c")]))
    assert outline.all("html") == [{"lang": "en"}]
    assert len(outline.all("h1")) == 1
    assert len(outline.all("table")) == len(outline.all("caption")) >= 6
    assert all(head.get("scope") in ("col", "row") for head in outline.all("th"))
    assert all(svg.keys() & {"aria-label", "aria-hidden"} for svg in outline.all("svg"))
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    meant = [a["aria-labelledby"] for _, a in outline.tags if "aria-labelledby" in a]
    links = [(a["href"] or "").removeprefix("#") for a in outline.all("a")]
    assert {*meant, *links} <= {*ids}


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio)."""

    def light(colour: str) -> float:
        digits = colour if len(colour) == 6 else "".join(c * 2 for c in colour)
        parts = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read_in_both_schemes(project: Path, scheme: int) -> None:
    """Each colour of text has at least 4.5 to 1 against all that it stands on (WCAG AA)."""
    roots = re.findall(r":root \{(.*?)\}", page(project, SEEN))
    colours = dict(re.findall(r"--([\w-]+): #(\w+)", roots[scheme]))
    pairs = [
        (ink, ground) for ink in ("ink", "dim", "accent") for ground in ("page", "card", "soft")
    ]
    pairs += [(state, f"{state}-soft") for state in ("good", "bad", "busy")]
    assert {
        pair: contrast(*(colours[c] for c in pair))
        for pair in pairs
        if contrast(*(colours[c] for c in pair)) < 4.5
    } == {}


def test_the_leaderboard_has_the_best_first_by_direction() -> None:
    """Within the most usual metric; a low loss is good, what is not known comes last."""

    def known(name: str, metric: str, value: float | None) -> report_html.Row:
        direction = "min" if metric == "loss" else "max"
        return report_html.Row(name, name, "finished", None, metric, value, direction, None, 0, 0)

    rows = [
        known("no value", "auc", None),
        known("auc 1", "auc", 0.9),
        known("loss 2", "loss", 0.3),
        known("loss 3", "loss", 0.5),
        known("loss 1", "loss", 0.1),
    ]
    ranked = [(row.name, row.place) for row in report_html.ranked(rows)]
    assert ranked == [("loss 1", 1), ("loss 2", 2), ("loss 3", 3), ("auc 1", 1), ("no value", None)]


@pytest.mark.parametrize(
    ("points", "drawn"),
    [([0.0, 1.0], "0,30 100,0"), ([2, 2, 2], "0,15 50,15 100,15"), ([1.0], None), ("x", None)],
)
def test_a_curve_is_drawn_from_corner_to_corner(points: Any, drawn: str | None) -> None:
    """The highest value at the top; a flat one in the middle; one point is no curve."""
    found = report_html.drawing(points)
    assert (found and found.points) == drawn


def test_an_empty_project_has_a_report(project: Path) -> None:
    """It says that nothing is there yet."""
    said = "".join(Outline(page(project, overview())).text)
    for sentence in ("There is no run yet.", "No model is in production yet.", "All in order."):
        assert sentence in said


# --- in a browser ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    profile = tmp_path_factory.mktemp("profile")
    for word in (
        *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"),
        "force-prefers-reduced-motion",  # what is to be clicked stands still
        *("disable-background-networking", "disable-component-update", "disable-dev-shm-usage"),
        *(f"user-data-dir={profile}", "window-size=1280,900"),
    ):
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(DRIVER)
    started = webdriver.Chrome(options=options, service=service)
    yield started
    started.quit()


@pytest.fixture(scope="module")
def file(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("page") / "report.html"
    report_html.write(page(project, SEEN), target)
    return target


@pytest.fixture
def shown(browser: webdriver.Chrome, file: Path) -> webdriver.Chrome:
    browser.get("about:blank")
    browser.get(file.as_uri())
    return browser


def names(browser: webdriver.Chrome) -> list[str]:
    """Return the names on the leaderboard, as they are seen."""
    found = browser.execute_script(
        "return [...document.querySelectorAll('#runs tbody tr')]"
        ".filter(r => r.checkVisibility()).map(r => r.querySelector('th').textContent)"
    )
    return [next(name for name in RANKED if name[:9] == seen[:9]) for seen in found]


def head(browser: webdriver.Chrome, column: str) -> Any:
    return browser.find_element(By.XPATH, f"//table[@id='runs']//th[contains(., '{column}')]")


@needs_browser
def test_it_loads_without_an_error_and_without_a_network(shown: webdriver.Chrome) -> None:
    """Nothing on the console, nothing fetched, and no script of a user's ran."""
    assert shown.get_log("browser") == []  # type: ignore[no-untyped-call]
    assert shown.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert shown.title == "Training outputs of mood"
    assert names(shown) == RANKED


@needs_browser
def test_a_column_is_sorted_by_its_head(shown: webdriver.Chrome) -> None:
    """By mouse and by keyboard, both ways, by numbers, unknown always last; the head says how."""
    assert head(shown, "#").get_attribute("aria-sort") == "ascending"
    size = head(shown, "size")
    size.find_element(By.TAG_NAME, "button").click()
    assert size.get_attribute("aria-sort") == "descending"
    assert head(shown, "#").get_attribute("aria-sort") is None
    assert names(shown)[-1] == "e_packed"
    size.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert size.get_attribute("aria-sort") == "ascending"
    assert names(shown)[:3] == ["e_packed", "a_middle", "c_worst"]
    for _ in range(2):
        head(shown, "value").find_element(By.TAG_NAME, "button").send_keys(Keys.SPACE)
        assert names(shown)[-1] == "d_unknown"
    assert names(shown)[0] == "c_worst"


@needs_browser
def test_runs_are_filtered(shown: webdriver.Chrome) -> None:
    """By text, state and type together; the number is told; clearing brings all back."""
    Select(shown.find_element(By.NAME, "state")).select_by_visible_text("finished")
    shown.find_element(By.NAME, "text").send_keys("C_w")
    assert names(shown) == ["c_worst"]
    count = shown.find_element(By.ID, "count")
    assert (count.text, count.get_attribute("aria-live")) == ("1 of 6 runs", "polite")
    Select(shown.find_element(By.NAME, "type")).select_by_visible_text("cnn")
    assert names(shown) == []
    shown.find_element(By.CSS_SELECTOR, "button[type=reset]").click()
    assert count.text == "6 of 6 runs"
    assert names(shown) == RANKED
    types = Select(shown.find_element(By.NAME, "type"))
    types.select_by_index([o.text[:7] for o in types.options].index("<script"))
    assert names(shown) == [EVIL]


@needs_browser
def test_a_name_leads_to_the_run_in_detail(shown: webdriver.Chrome) -> None:
    """To that run alone, with its curve drawn and described."""
    shown.find_element(By.LINK_TEXT, "a_middle").send_keys(Keys.ENTER)
    (run,) = [r for r in shown.find_elements(By.CLASS_NAME, "run") if r.is_displayed()]
    assert run.find_element(By.TAG_NAME, "h3").text.startswith("a_middle")
    drawing = run.find_element(By.CSS_SELECTOR, "svg[role=img]")
    assert "from 0.5 to 0.6" in str(drawing.get_attribute("aria-label"))
    assert drawing.size["height"] > 100


@needs_browser
def test_a_screen_reader_has_a_name_for_everything(shown: webdriver.Chrome) -> None:
    """The browser's own accessibility tree: what can be reached or is shown is called something."""
    roles = {"button", "link", "searchbox", "combobox", "image", "table", "region", "navigation"}
    tree = shown.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = [
        (node["role"]["value"], node["name"]["value"])
        for node in tree
        if not node["ignored"] and node["role"]["value"] in roles
    ]
    assert {role for role, name in named if not name.strip()} == set()
    assert {"button", "link", "searchbox", "combobox", "table", "region"} <= dict(named).keys()


@needs_browser
def test_the_keyboard_alone_is_enough(shown: webdriver.Chrome) -> None:
    """The first stop skips to the content; from a name it is one key to its run."""

    def press(key: str) -> str:
        webdriver.ActionChains(shown).send_keys(key).perform()
        return shown.switch_to.active_element.text

    assert press(Keys.TAB) == "Skip to the content"
    press(Keys.ENTER)
    assert "b_best" in (press(Keys.TAB) for _ in range(60))
    press(Keys.ENTER)
    assert shown.find_element(By.CSS_SELECTOR, ".run:target h3").text.startswith("b_best")


@needs_browser
def test_it_is_of_use_without_javascript(browser: webdriver.Chrome, file: Path) -> None:
    """All is there and in order; only the filters, which would do nothing, are not."""
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get("about:blank")
        browser.get(f"{file.as_uri()}#run-1")
        assert len(browser.find_elements(By.CSS_SELECTOR, "#runs tbody tr")) == len(RANKED)
        assert not browser.find_element(By.ID, "filters").is_displayed()
        assert browser.find_element(By.ID, "run-1").is_displayed()
        assert not browser.find_element(By.ID, "run-2").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_a_phone_and_follows_the_scheme(
    browser: webdriver.Chrome, file: Path, width: int, scheme: str
) -> None:
    """The page is never wider than the screen, and its ground is light or dark as asked for."""
    wish = [{"name": "prefers-color-scheme", "value": scheme}]
    screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wish})
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    try:
        browser.get("about:blank")
        browser.get(f"{file.as_uri()}#run-1")
        root = "document.documentElement"
        assert browser.execute_script(f"return {root}.scrollWidth") <= width
        ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (int(re.findall(r"\d+", ground)[0]) < 100) == (scheme == "dark")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@needs_browser
def test_a_thousand_runs_stay_usable(
    browser: webdriver.Chrome, project: Path, tmp_path: Path
) -> None:
    """A few megabytes, made within a second; sorting and filtering takes no time one would see."""
    way = [0.5 + number / 77 for number in range(30)]
    curve = run("x", 0.5, points=way).curve._replace(others=(("loss", way), ("val_loss", way)))
    many = [
        run(f"try_{i}", i / 1000)._replace(curve=curve._replace(value=i / 1000))
        for i in range(1000)
    ]
    began = time.process_time()
    text = page(project, overview(*many))
    assert time.process_time() - began < 3
    assert len(text) < 6_000_000
    report_html.write(text, tmp_path / "many.html")
    browser.get((tmp_path / "many.html").as_uri())
    took = browser.execute_script(
        "const t = performance.now(); document.querySelector('#runs button').click();"
        "document.body.offsetHeight; return performance.now() - t"
    )
    assert took < 2000
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


# --- by the recipe --------------------------------------------------------------------------------


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    root = new_project(tmp_path)
    train(root, FIRST, [0.5, 0.5929])
    recipe(root, "promote", FIRST, *AT)
    train(root, SECOND, [0.5, 0.55, 0.61])
    return root


def test_the_recipe_writes_a_report(trained: Path) -> None:
    """With runs, curves, the model, its evidence and its source; and nothing else is touched."""
    just(trained, "promote", SECOND, *AT)
    just(trained, "archive", FIRST, "--apply", *AT)  # its curves stand in the manifest
    before = tree(trained)
    done = just(trained, "status", "--html", *AT)
    target = trained / "training/results/report.html"
    assert done.stdout == f"Written: {target}\n"
    assert changed(before, tree(trained)) == {"training/results", "training/results/report.html"}
    outline = Outline(target.read_text())
    said = "".join(outline.text)
    for fact in (
        *(FIRST, SECOND, "net_v0.6100.pth", "training/logs/net_v0.6100_20250801.log"),
        f"training/experiments/active/{SECOND}/checkpoints/epoch_003.pth",
        *("model_weights/production/net_v0.5929.pth", "(0.5929)", "learning_rate"),
    ):
        assert fact in said
    assert len([svg for svg in outline.all("svg") if svg.get("role") == "img"]) == 8
    assert "No curve" not in said  # not even of the model that was superseded
    assert json.loads(just(trained, "status", "--json", *AT).stdout)["production"]


def test_what_a_check_found_is_in_it(trained: Path) -> None:
    """With file and rule, as `just check` says it."""
    (trained / "training/results/net_v0.5929_summary.md").unlink()
    (found, *_) = recipe_json(trained, "check", status=3)["violations"]
    recipe(trained, "status", "--html", "r.html", *AT)
    said = "".join(Outline((trained / "r.html").read_text()).text)
    assert f"{found['path']}:{found['line']}" in said
    assert found["message"] in said


def test_only_a_report_is_replaced(trained: Path) -> None:
    """Another file of that name stays, and so does what a link leads to; programs get the path."""
    target = trained / "my report.html"
    for _ in range(2):
        answer = recipe_json(trained, "status", "--html", target.name, *AT)
    assert answer["file"] == target.name
    (trained / "notes.html").write_text("mine")
    (trained / "link.html").symlink_to(target)
    for name in ("notes.html", "link.html"):
        refused = recipe(trained, "status", "--html", name, *AT, status=2)
        assert refused.stderr == f"{name}: is there and is no report; name another file\n"
    assert (trained / "notes.html").read_text() == "mine"


def test_open_shows_it_in_the_users_browser(trained: Path, tmp_path: Path) -> None:
    """The one that $BROWSER names, as Python has it; without --html it makes no sense."""
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/asked\n')
    script.chmod(0o755)
    just(trained, "status", "--html", "r.html", "--open", *AT, BROWSER=f"{script} %s")
    assert (tmp_path / "asked").read_text() == (trained / "r.html").as_uri()
    refused = just(trained, "status", "--open", status=2)
    (line,) = refused.stderr.splitlines()
    assert line.startswith("just status: error: --open goes with --html; ")
