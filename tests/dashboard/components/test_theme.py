"""One set of colours, the same in charts, style sheet and configuration, and readable."""

import re
import tomllib
from pathlib import Path

import pytest

import dashboard
from dashboard.components.theme import DARK, LIGHT, Palette, palette

HERE = Path(dashboard.__file__).parent
CSS = (HERE / "style.css").read_text()
CONFIG = tomllib.loads((HERE / ".streamlit" / "config.toml").read_text())
PALETTES = pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])


def css_colors() -> dict[str, tuple[str, str]]:
    """The style sheet's variables: name -> colour in light, colour in dark."""
    found = re.findall(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", CSS)
    return {name: (light.upper(), dark.upper()) for name, light, dark in found}


def luminance(color: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio, WCAG 2.2: 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_wcag_does() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#767676", "#FFFFFF") == pytest.approx(4.54, abs=0.01)


def test_the_style_sheet_has_the_colours_of_the_charts() -> None:
    expected = {f"endpoint-{key}": (LIGHT.endpoints[key], DARK.endpoints[key]) for key in LIGHT.endpoints}
    expected |= {f"class-{index}": colors for index, colors in enumerate(zip(LIGHT.classes, DARK.classes, strict=True))}
    expected |= {name: (getattr(LIGHT, name), getattr(DARK, name)) for name in ("background", "muted", "accent")}
    assert css_colors() == {name: (light.upper(), dark.upper()) for name, (light, dark) in expected.items()}


def test_every_variable_of_the_style_sheet_is_used_and_every_used_one_is_there() -> None:
    assert set(re.findall(r"var\(--([a-z0-9-]+)\)", CSS)) == set(css_colors())


def test_an_endpoint_of_another_name_has_the_colour_of_its_place() -> None:
    assert [LIGHT.endpoint_color(key, 1) for key in ("api", "function")] == list(LIGHT.endpoints.values())
    assert [LIGHT.endpoint_color("mine", position) for position in (0, 1, 2)] == [
        LIGHT.endpoints[key] for key in ("api", "function", "api")
    ]


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
    for color in (*colors.endpoints.values(), *colors.classes):
        assert contrast(color, colors.background) >= 3, color


@PALETTES
def test_no_colour_means_two_things(colors: Palette) -> None:
    every = [*colors.endpoints.values(), *colors.classes, colors.text, colors.muted, colors.grid, colors.background]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize(("theme_type", "colors"), [("dark", DARK), ("light", LIGHT), (None, LIGHT)])
def test_charts_follow_the_theme(theme_type: str | None, colors: Palette) -> None:
    assert palette(theme_type) is colors


@PALETTES
def test_more_classes_than_colours_start_over(colors: Palette) -> None:
    assert colors.class_color(len(colors.classes)) == colors.class_color(0)
