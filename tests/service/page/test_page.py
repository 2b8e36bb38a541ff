"""Every feature of the page clicked in a real browser, against the real service.

Skipped where playwright or a Chromium is missing. ``seen`` fails a test whose page said an error on
its console or asked another origin. Where ``JOULECAST_AXE`` names a copy of axe-core's script, the
page is held against its rules too.
"""

from __future__ import annotations

import json
import os
import re
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from joulecast import estimate, estimate_serving
from joulecast.asking_run import setup_of
from joulecast.core import run_files
from joulecast.core.records import Measurement, Run
from joulecast.core.units import format_duration, format_energy
from joulecast.render import energy_scale, ranged
from tests.service.page.conftest import TOKEN, Seen, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.browser
FIRST_PAINT_MS = 1000
SERVER = "?model=llama-3.1-8b&hw=hc4&task=serve"
PAIRS = "?view=compare&pair=vgg16@hc3&pair=lenet@hc1"
_SERIOUS = ("serious", "critical")


def text_of(page: Any, selector: str) -> str:  # noqa: ANN401 (a playwright page)
    """What an element says, its spaces made single."""
    return " ".join(page.locator(selector).first.inner_text().split())


def fill(seen: Seen, label: str, value: str) -> None:
    """Type into a field, and wait for the answer."""
    seen.page.get_by_label(label, exact=True).fill(value)
    seen.settle()


def test_the_first_answer_is_that_of_the_library(seen: Seen) -> None:
    """Energy, range, time, power, and what it stands on."""
    page = seen.open("?epochs=100")
    answer = estimate("vgg16", "hc3", epochs=100, runs=())
    scale, unit = energy_scale(answer.energy_j)
    figures = (answer.energy_j, answer.energy_low_j, answer.energy_high_j)
    value, span, _ = ranged(*(x / scale for x in figures))
    low, high = span.split(" - ")
    assert text_of(page, ".big .number") == f"{value} {unit}"
    assert f"between {low} and {high} {unit}, 90 % interval" in text_of(page, ".big")
    facts = text_of(page, ".facts")
    assert format_duration(answer.duration_s) in facts
    assert f"{answer.power_w:.3g} W" in facts
    assert "World average: no grid chosen" in facts
    assert "zero-shot" in text_of(page, "#answer .block .tag")
    assert answer.next_measurement is not None
    assert answer.next_measurement in text_of(page, ".sharpen")
    assert page.locator(".range-axis svg").get_attribute("aria-label").startswith("Energy ")
    assert page.locator(".split svg").get_attribute("aria-label").count("Wh") == 3
    assert text_of(page, "#spoken").startswith("vgg16 on hc3:")


def test_first_useful_paint_within_a_second(seen: Seen) -> None:
    """The question is on the screen a second after the address was asked for, at the latest."""
    seen.open()
    paint_ms = seen.page.evaluate(
        "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    )
    assert 0 < paint_ms <= FIRST_PAINT_MS


def test_figures_are_written_as_on_the_command_line(seen: Seen) -> None:
    """Energies and durations over twelve orders of magnitude."""
    page = seen.open()
    values = [m * 10.0**e for e in range(-2, 10) for m in (1.0, 2.345, 9.96)]
    found = page.evaluate(
        "async (values) => { const f = await import('/format.js');"
        " return values.map((v) => [f.energy(v), f.duration(v)]); }",
        values,
    )
    wanted = [[format_energy(v), format_duration(v)] for v in values if v >= 360]
    assert [pair for v, pair in zip(values, found, strict=True) if v >= 360] == wanted


def test_a_network_is_found_by_typing_and_chosen_by_keys(seen: Seen) -> None:
    """The combobox: typing narrows, arrows walk, Enter takes, Escape gives up."""
    page = seen.open()
    box = page.get_by_role("combobox", name="Network")
    box.fill("resnet18")
    options = page.get_by_role("listbox", name="Networks").get_by_role("option")
    assert options.first.locator(".name").inner_text() == "resnet18"
    assert "match" in text_of(page, "#model-count")
    assert box.get_attribute("aria-expanded") == "true"
    box.press("ArrowDown")
    active = box.get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").get_attribute("aria-selected") == "true"
    box.press("ArrowUp")
    assert box.get_attribute("aria-activedescendant") != active
    box.press("ArrowDown")
    box.press("Enter")
    seen.settle()
    assert "model=resnet18" in page.url
    assert "resnet18" in text_of(page, ".head")
    assert box.get_attribute("aria-expanded") == "false"
    box.press("ArrowDown")
    assert options.count() > 1
    box.press("Escape")
    assert box.input_value() == "resnet18"
    assert options.count() == 0


def test_a_machine_is_chosen_with_the_mouse(seen: Seen) -> None:
    """A click on an option takes it."""
    page = seen.open()
    box = page.get_by_role("combobox", name="Machine or device")
    box.fill("a100")
    page.get_by_role("option").filter(has_text="a100-sxm-40gb").click()
    seen.settle()
    assert "hw=a100-sxm-40gb" in page.url
    assert "a100-sxm-40gb" in text_of(page, ".head .machine")


def test_every_setting_reaches_the_service(seen: Seen) -> None:
    """What the fields say is in the body, under the names of the library."""
    page = seen.open()
    page.locator("#more > summary").click()
    asked: list[dict[str, Any]] = []
    page.on(
        "request",
        lambda r: asked.append(json.loads(r.post_data)) if r.url.endswith("estimate") else None,
    )
    page.get_by_label("Infer", exact=True).check()
    for label, value in (
        ("Epochs", "3"),
        ("Samples per epoch", "1000"),
        ("Batch size", "64"),
        ("GPUs", "1"),
        ("Limit per GPU, W", "60"),
        ("Input of one sample", "3x64x64"),
        ("Price of a kWh", "0.3"),
        ("Overhead (PUE)", "1.2"),
    ):
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_label("Precision").select_option("fp16")
    page.get_by_label("Interval holds").select_option("0.8")
    page.get_by_label("Grid, for CO2e").select_option(label="France")
    seen.settle()
    pair = {"model": "vgg16", "hardware": "hc3", "scope": "system", "level": 0.8}
    work = {"task": "infer", "epochs": 3, "samples": 1000, "batch_size": 64, "precision": "fp16"}
    place = {"n_gpus": 1, "power_limit_w": 60, "input_shape": [3, 64, 64]}
    tariff = {"region": "FR", "price": 0.3, "pue": 1.2}
    assert asked[-1] == pair | work | place | tariff
    assert "0.3 per kWh" in text_of(page, ".facts")
    assert "France" in text_of(page, ".facts")
    assert len(asked) <= 2  # typing is waited for


def test_curves_over_batch_and_power_limit(seen: Seen) -> None:
    """Both curves are drawn, switch what they show, say a point, and give a value to the form."""
    page = seen.open()
    charts = page.locator("#curves .chart svg")
    assert charts.count() == 2
    assert "Least energy at" in text_of(page, "#curves .curve")
    page.get_by_role("button", name="Time", exact=True).click()
    seen.settle()
    assert "show=time" in page.url
    assert charts.first.get_attribute("aria-label").startswith("time")
    box = charts.first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 60)
    assert re.match(r"\d+", text_of(page, "#curves .readout"))
    page.get_by_text("Figures over the batch size").click()
    page.get_by_role("button", name="256", exact=True).click()
    seen.settle()
    assert "batch=256" in page.url
    assert page.get_by_label("Batch size", exact=True).input_value() == "256"


def test_a_processor_has_no_power_limit_to_sweep(seen: Seen) -> None:
    """No question is asked whose answer would be a refusal."""
    page = seen.open("?hw=i5-12500&task=infer")
    assert page.locator("#curves .chart svg").count() == 1


def test_a_language_model_is_served(seen: Seen) -> None:
    """Choosing one switches to serving; the curve over rates is drawn and switches."""
    page = seen.open("?hw=hc4")
    box = page.get_by_role("combobox", name="Network")
    box.fill("llama-3.1-8b")
    box.press("ArrowDown")
    box.press("Enter")
    seen.settle()
    assert "task=serve" in page.url
    answer = estimate_serving(
        "llama-3.1-8b", "hc4", rate_rps=10, prompt_tokens=512, output_tokens=256, runs=()
    )
    assert f"{answer.energy_per_request_j:.2g} J" in text_of(page, ".big .number")
    assert "requests/s" in text_of(page, ".facts")
    for shown in ("Power", "Latency", "Energy per request"):
        page.get_by_role("button", name=shown, exact=True).click()
        assert page.locator("#curves .chart svg").get_attribute("aria-label").startswith(shown)
    page.get_by_text("Figures of the request-rate curve").click()
    page.locator("#curves button.link").nth(2).click()
    seen.settle()
    assert "rps=" in page.url
    fill(seen, "Requests per s", "")
    assert "full load" in text_of(page, ".head .machine")


def test_pairs_are_compared(seen: Seen) -> None:
    """Added from the form, drawn on one scale, removed; six at most."""
    page = seen.open()
    page.get_by_role("button", name="Add this pair to the comparison").click()
    seen.settle()
    assert "view=compare" in page.url
    assert page.locator(".pairs > li").count() == 1
    page.get_by_role("combobox", name="Network").fill("lenet")
    page.get_by_role("combobox", name="Network").press("Enter")
    page.get_by_role("button", name="Add this pair to the comparison").click()
    seen.settle()
    assert page.locator(".pairs > li .pair").all_inner_texts()[0].startswith("lenet on hc3")
    assert "takes the least energy" in text_of(page, ".verdict")
    for machine in ("hc1", "hc2", "hc4", "a10", "a30"):
        page.get_by_role("combobox", name="Machine or device").fill(machine)
        page.get_by_role("combobox", name="Machine or device").press("Enter")
        page.get_by_role("button", name="Add this pair to the comparison").click()
    seen.settle()
    assert page.locator(".pairs > li").count() == 6
    assert "Six pairs" in text_of(page, "#pairs")
    page.get_by_role("button", name="Remove lenet on hc3").click()
    seen.settle()
    assert page.locator(".pairs > li").count() == 5


def test_accuracy_is_a_table(seen: Seen) -> None:
    """Of energy, power and time; the rest folded away."""
    page = seen.open("?view=accuracy")
    rows = page.locator("#accuracy table").first.locator("tbody tr")
    assert rows.count() == 6
    energy = rows.first.inner_text()
    page.get_by_role("button", name="Power", exact=True).click()
    assert rows.first.inner_text() != energy
    page.get_by_text("Learners and simple rules").click()
    assert "nearest row" in text_of(page, "#accuracy details[open] thead")


def test_a_fleet_without_runs_is_explained(seen: Seen) -> None:
    """The empty state says how runs come here."""
    page = seen.open("?view=fleet")
    assert "No run has been sent here yet" in text_of(page, "#fleet")
    assert f"--push {seen.root}" in text_of(page, "#fleet pre")


def test_address_keeps_the_question_and_back_works(seen: Seen) -> None:
    """A link gives the same question; back and forward walk through what was asked."""
    page = seen.open("?model=resnet18&hw=hc1&batch=64&region=DE")
    assert page.get_by_role("combobox", name="Network").input_value() == "resnet18"
    assert page.get_by_label("Grid, for CO2e").input_value() == "DE"
    assert "Germany" in text_of(page, ".facts")
    fill(seen, "Epochs", "7")
    page.get_by_role("link", name="Accuracy").click()
    seen.settle()
    page.go_back()
    seen.settle()
    assert "7 epochs" in text_of(page, ".head")
    page.go_back()
    seen.settle()
    assert page.get_by_label("Epochs").input_value() == "1"
    page.go_forward()
    seen.settle()
    assert page.get_by_label("Epochs").input_value() == "7"


def test_theme_is_chosen_and_kept(seen: Seen) -> None:
    """Auto follows the system; a choice holds over a reload."""
    page = seen.open()
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    assert light != dark
    page.get_by_role("button", name="Theme: auto").click()
    assert page.evaluate(ground) == light
    page.get_by_role("button", name="Theme: light").click()
    page.emulate_media(color_scheme="light")
    page.reload()
    assert page.evaluate(ground) == dark
    assert page.get_by_role("button", name="Theme: dark").is_visible()


def test_an_unknown_name_offers_the_nearest(seen: Seen) -> None:
    """The service's own words, and a button per name."""
    page = seen.open("?model=vgg61")
    assert "unknown model 'vgg61'" in text_of(page, "[role=alert]")
    page.locator("[role=alert]").get_by_role("button", name="vgg16", exact=True).click()
    seen.settle()
    assert "vgg16" in text_of(page, ".head")
    fill(seen, "Batch size", "-3")
    assert "batch_size" in text_of(page, "[role=alert]")
    assert {e[:38] for e in seen.errors} == {"Failed to load resource: the server re"}
    seen.errors.clear()  # a browser says a refusal on the console


def test_a_service_that_is_gone_is_said(seen: Seen) -> None:
    """No endless waiting: a sentence and a button that asks again."""
    page = seen.open()
    page.route("**/v1/estimate", lambda route: route.abort())
    fill(seen, "Epochs", "2")
    assert "cannot be reached" in text_of(page, "[role=alert]")
    page.unroute("**/v1/estimate")
    page.get_by_role("button", name="Try again").click()
    seen.settle()
    assert "2 epochs" in text_of(page, ".head")
    seen.errors.clear()  # the refused connection


def test_an_answer_that_comes_late_is_not_shown(seen: Seen) -> None:
    """The newest question counts, whatever order the answers have."""
    page = seen.open()
    held: list[Any] = []
    page.route("**/v1/estimate", lambda route: held.append(route))  # noqa: PLW0108 (it is marked)
    page.get_by_label("Epochs").fill("5")
    page.wait_for_timeout(500)
    assert len(held) == 1
    page.get_by_label("Epochs").fill("9")
    page.wait_for_timeout(500)
    assert len(held) == 2
    held[1].continue_()
    page.wait_for_function("document.querySelector('.head')?.textContent.includes('9 epochs')")
    held[0].continue_()
    seen.settle()
    assert "9 epochs" in text_of(page, ".head")


def test_keys_reach_everything_in_order(seen: Seen) -> None:
    """From the skip link through the views to the fields, each with a visible ring."""
    page = seen.open()
    names = []
    for _ in range(9):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")
        )
    assert names[:6] == [
        *("Skip to the answer", "Joulecast", "Estimate", "Compare", "Fleet", "Accuracy")
    ]
    assert names[6:] == ["theme", "model", "hw"]
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


@pytest.mark.parametrize("width", [360, 768, 1600])
@pytest.mark.parametrize("query", ["", SERVER, PAIRS, "?view=fleet", "?view=accuracy"])
def test_no_width_scrolls_sideways(seen: Seen, query: str, width: int) -> None:
    """From a phone to a wide screen."""
    seen.page.set_viewport_size({"width": width, "height": 800})
    page = seen.open(query)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.fixture(scope="module")
def fleet_root(serve: Callable[..., str]) -> str:
    """A service with three measured runs."""
    root = serve()
    for name, factor in (("vgg16", 1.1), ("resnet18", 0.9), ("lenet", 8.0)):
        record = json.dumps(run_files.to_dict(a_run(name, factor))).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{root}/v1/runs", record, headers)  # noqa: S310 (ours)
        with urllib.request.urlopen(request) as answer:  # noqa: S310 (loopback)
            assert answer.status == 201
    return root


def a_run(model: str, factor: float) -> Run:
    """A run that took `factor` times the predicted energy."""
    answer = estimate(model, "hc3", samples=10_000, runs=())
    setup, _ = setup_of(model, "hc3", samples=10_000)
    measurement = Measurement(
        {"system": factor * answer.energy_j},
        answer.duration_s,
        10_000,
        {"system": "rapl+nvml-counter"},
    )
    made = Run(setup, measurement, "profiler", model, id=f"run-{model}", hardware_id="hc3")
    return replace(made, started_at="2026-05-01T12:00:00+00:00")


@pytest.fixture
def fleet(chromium: Any, fleet_root: str) -> Iterator[Seen]:  # noqa: ANN401 (playwright's)
    """A page of the service that has runs."""
    yield from watched(chromium, fleet_root)


def test_the_fleet_is_held_against_predictions(fleet: Seen) -> None:
    """A scatter, a sentence, a table; by machine."""
    page = fleet.open("?view=fleet")
    assert page.locator("#fleet .chart .mark").count() == 3
    assert text_of(page, "#fleet .verdict").startswith("3 runs:")
    assert "67 % of what was measured lies within the 90 % interval" in text_of(
        page, "#fleet .verdict"
    )
    rows = page.locator("#fleet tbody tr")
    assert rows.count() == 3
    assert rows.filter(has_text="lenet").locator("td").last.inner_text() == "no"
    page.locator("#fleet .chart .mark").first.hover()
    assert "measured" in text_of(page, "#fleet .readout")
    page.locator("#fleet-machine").select_option("hc3")
    fleet.settle()
    assert "fleet=hc3" in page.url
    assert rows.count() == 3


def test_a_token_is_asked_for_once_and_kept_in_the_tab(
    chromium: Any,  # noqa: ANN401 (playwright's)
    serve: Callable[..., str],
) -> None:
    """A wrong one is asked for again; the right one lies in the tab's storage, nowhere else."""
    from joulecast.service.security import digest
    from joulecast.service.settings import Token

    pages = watched(chromium, serve(tokens=(Token("read", digest(TOKEN)),)))
    seen = next(pages)
    page = seen.page
    page.goto(seen.root)
    field = page.get_by_label("Token", exact=True)
    field.fill("wrong")
    page.get_by_role("button", name="Use it").click()
    page.get_by_text("This token was not taken").wait_for()
    field.fill(TOKEN)
    field.press("Enter")
    page.wait_for_selector(".big")
    seen.settle()
    assert page.evaluate("Object.values({...sessionStorage})") == [TOKEN]
    assert TOKEN not in page.evaluate("JSON.stringify({...localStorage}) + document.cookie")
    assert TOKEN not in page.url
    page.reload()
    seen.settle()
    assert not page.locator("#token-dialog").is_visible()
    seen.errors.clear()  # refusals before the token
    next(pages, None)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("query", ["", SERVER, PAIRS, "?view=fleet", "?view=accuracy", "?model=q"])
def test_axe_finds_nothing_serious(fleet: Seen, query: str, scheme: str) -> None:
    """No serious finding in any view, light and dark, everything unfolded."""
    script = os.environ.get("JOULECAST_AXE")
    if not script:
        pytest.skip("JOULECAST_AXE names no copy of axe.min.js")
    fleet.page.emulate_media(color_scheme=scheme)
    page = fleet.open(query)
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    page.evaluate(Path(script).read_text(encoding="utf-8"))
    found = page.evaluate("axe.run().then((r) => r.violations)")
    serious = [v for v in found if v["impact"] in _SERIOUS]
    said = [(v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in serious]
    fleet.errors.clear()  # the unknown network's refusal
    assert not said
