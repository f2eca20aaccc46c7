"""One set of colours, the same in charts, style sheet and configuration, and readable."""

import re
import tomllib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import dashboard
from benchmark.endpoints.configured import MOST
from benchmark.endpoints.endpoint import Endpoint
from dashboard.components.theme import DARK, LIGHT, Palette, edges, palette

HERE = Path(dashboard.__file__).parent
CSS = (HERE / "style.css").read_text()
CONFIG = tomllib.loads((HERE / ".streamlit" / "config.toml").read_text())
PALETTES = pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])


def css_colors() -> dict[str, tuple[str, str]]:
    """The style sheet's variables: name -> colour in light, colour in dark."""
    found = re.findall(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", CSS)
    return {name: (light.upper(), dark.upper()) for name, light, dark in found}


URL = "http://127.0.0.1"
Matrix = NDArray[np.float64]
# Machado, Oliveira and Fernandes 2009, severity 1.0, for linear sRGB.
DEFICIENCIES: dict[str, Matrix] = {
    "none": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
# Ottosson 2020: linear sRGB to OKLab.
_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def linear(color: str) -> Matrix:
    """Linear sRGB from 0 to 1."""
    channels = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    return np.array([value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels])


def apart(one: str, other: str, matrix: Matrix) -> float:
    """The distance of two colours in OKLab, times 100, as somebody sees them for whom `matrix` stands."""
    first, second = (_TO_OKLAB @ np.cbrt(_TO_LMS @ np.clip(matrix @ linear(color), 0, 1)) for color in (one, other))
    return float(100 * np.linalg.norm(first - second))


def luminance(color: str) -> float:
    """Relative luminance, WCAG 2.2."""
    return float(linear(color) @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    """Contrast ratio, WCAG 2.2: 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_wcag_does() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#767676", "#FFFFFF") == pytest.approx(4.54, abs=0.01)


def test_the_style_sheet_has_the_colours_of_the_charts() -> None:
    expected = {f"class-{index}": colors for index, colors in enumerate(zip(LIGHT.classes, DARK.classes, strict=True))}
    expected |= {name: (getattr(LIGHT, name), getattr(DARK, name)) for name in ("background", "muted", "accent")}
    assert css_colors() == {name: (light.upper(), dark.upper()) for name, (light, dark) in expected.items()}


def test_every_variable_of_the_style_sheet_is_used_and_every_used_one_is_there() -> None:
    assert set(re.findall(r"var\(--([a-z0-9-]+)\)", CSS)) == set(css_colors())


def test_an_endpoint_of_another_name_has_the_colour_of_its_place() -> None:
    assert [LIGHT.endpoint_color(key, 1) for key in ("api", "function")] == list(LIGHT.positions[:2])
    assert [LIGHT.endpoint_color("mine", position) for position in (0, 2, 5, 6)] == [
        LIGHT.positions[place] for place in (0, 2, 5, 0)
    ]


def test_a_configured_endpoint_has_its_own_colour_wherever_it_stands() -> None:
    configured = (Endpoint("a", "A", URL), Endpoint("b", "B", URL, colour="#123456"), Endpoint("c", "C", URL))
    colors = DARK.of(configured)
    assert [colors.endpoint_color(key, 5) for key in "abc"] == [DARK.positions[0], "#123456", DARK.positions[2]]
    assert colors.endpoint_color("another", 1) == DARK.positions[1]


def test_each_card_gets_the_edge_of_its_endpoint() -> None:
    style = edges([("a-b", 1), ("a", 0)], LIGHT, DARK)
    assert f".st-key-card-a {{ border-top: 3px solid light-dark({LIGHT.positions[0]}, {DARK.positions[0]}); }}" in style
    assert f".st-key-name-a-b p {{ border-bottom: 3px solid light-dark({LIGHT.positions[1]}" in style
    # Bars of `a-b` are met by the rule of `a` too: theirs has to come later.
    assert style.index("part-a-b-") > style.index('part-a-"]')


@PALETTES
def test_endpoints_can_be_told_apart_by_everybody_and_their_colours_are_readable_as_text(colors: Palette) -> None:
    assert len(colors.positions) == MOST
    for one, other in combinations(colors.positions, 2):
        for deficiency, matrix in DEFICIENCIES.items():
            assert apart(one, other, matrix) >= 9, (one, other, deficiency)
    for color in colors.positions:
        assert contrast(color, colors.background) >= 4.5, color


def test_every_class_colour_has_its_bar() -> None:
    for index in range(len(LIGHT.classes)):
        assert f'[class*="st-key-bar-{index}-"]' in CSS


@pytest.mark.parametrize(("colors", "section"), [(LIGHT, "light"), (DARK, "dark")])
def test_the_pages_theme_has_the_colours_of_the_charts(colors: Palette, section: str) -> None:
    theme = {name: str(value).upper() for name, value in CONFIG["theme"][section].items()}
    assert (theme["textColor"], theme["grayTextColor"], theme["backgroundColor"], theme["borderColor"]) == (
        colors.text.upper(),
        colors.muted.upper(),
        colors.background.upper(),
        colors.grid.upper(),
    )


@PALETTES
def test_text_can_be_read(colors: Palette) -> None:
    assert contrast(colors.text, colors.background) >= 7
    assert contrast(colors.muted, colors.background) >= 4.5
    assert contrast(colors.accent, colors.background) >= 4.5


@pytest.mark.parametrize("section", ["light", "dark"])
def test_text_can_be_read_on_the_second_background_too(section: str) -> None:
    theme = CONFIG["theme"][section]
    assert contrast(theme["textColor"], theme["secondaryBackgroundColor"]) >= 7
    assert contrast(theme["grayTextColor"], theme["secondaryBackgroundColor"]) >= 4.5


@pytest.mark.parametrize("section", ["light", "dark"])
def test_the_label_of_the_primary_button_can_be_read(section: str) -> None:
    assert contrast("#FFFFFF", CONFIG["theme"][section]["primaryColor"]) >= 4.5


@PALETTES
def test_marks_stand_out_from_the_background(colors: Palette) -> None:
    for color in (*colors.positions, *colors.classes):
        assert contrast(color, colors.background) >= 3, color


@PALETTES
def test_no_colour_means_two_things(colors: Palette) -> None:
    every = [*colors.positions, *colors.classes, colors.text, colors.muted, colors.grid, colors.background]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize(("theme_type", "colors"), [("dark", DARK), ("light", LIGHT), (None, LIGHT)])
def test_charts_follow_the_theme(theme_type: str | None, colors: Palette) -> None:
    assert palette(theme_type) is colors


@PALETTES
def test_more_classes_than_colours_start_over(colors: Palette) -> None:
    assert colors.class_color(len(colors.classes)) == colors.class_color(0)
