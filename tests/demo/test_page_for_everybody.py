"""The page by keyboard, on a phone, and for screen readers; see `test_page`."""

import json

import pytest

from tests.demo import visitors

pytestmark = [pytest.mark.slow, visitors.needs_browser]


def test_the_keyboard_alone_suffices(come):
    visitor = come()
    keys = visitor.page.keyboard

    def tab_to(test):
        for _ in range(40):
            keys.press("Tab")
            if visitor.page.evaluate(f"((at) => {test})(document.activeElement)"):
                return
        raise AssertionError(f"Tab does not come to {test}")

    tab_to("at.innerText.trim() == 'Lake'")
    keys.press("Enter")
    visitor.says("Ready")
    tab_to("at.tagName == 'TEXTAREA'")
    keys.press("Control+A")
    keys.type("a dog")
    keys.press("Enter")
    visitor.says("Done in")
    tab_to("at.className.includes('box') && at.closest('#editor')")
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowDown"):
        keys.press(key)
    assert visitor.box() == (20, 1, 250, 250)
    tab_to("at.className.includes('corner')")
    keys.press("ArrowLeft")
    assert visitor.box() == (20, 1, 240, 250)
    tab_to("at.innerText.trim() == 'Score my box'")
    keys.press("Enter")
    visitor.says("scored")
    assert visitor.table("#comparison")[1][0] == "total"
    tab_to("at.className.includes('play')")
    tab_to("at.innerText.trim().startsWith('Drop') || at.ariaLabel?.startsWith('Drop')")


def test_controls_reach_the_crop(come):
    visitor = come()
    visitor.take_sample("Lake")
    page = visitor.page
    labels = page.locator("label", has_text="on this machine").all_inner_texts()
    assert "took" in labels[0] and "judged by the fast method's time" in labels[1]
    page.get_by_role("button", name="More settings").click()
    weight = page.get_by_label("Weight of looks (lambda)")
    assert weight.input_value() == "0.35"
    page.get_by_label("The paper's method").check()
    page.wait_for_function("document.querySelector('[aria-label*=lambda]').value == '0.01'")
    page.get_by_label("Shape or size").fill("20x10")
    page.get_by_label("Shape or size").press("Enter")
    page.get_by_label("Seed").fill("7")
    page.get_by_label("Without a sentence").check()
    page.locator("#crop").click()
    visitor.says("Done in")
    name, data = visitor.download("Download the result as JSON")
    record = json.loads(data)
    assert name == "lake-20x10.json" and record["caption"] is None and record["seed"] == 7
    assert visitor.page.get_by_role("link", name="(20 × 10 pixels)").count() >= 1


def test_a_phone_has_room_for_it(come):
    visitor = come(width=390, height=844, has_touch=True, is_mobile=True, device_scale_factor=2)
    visitor.take_sample("Lake")
    visitor.ask("a dog")
    visitor.page.locator("#why svg").wait_for()
    visitor.page.get_by_role("button", name="Score my box").click()
    visitor.says("scored")
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 390
    visitor.picture("phone")


@pytest.mark.parametrize("name, width", [("light", 1280), ("dark", 1000), ("light", 390)])
def test_axe_finds_nothing_serious(come, name, width):
    visitor = come(width=width, color_scheme=name)
    assert visitor.violations() == []
    visitor.take_sample("Lake")
    visitor.page.get_by_role("button", name="More settings").click()
    visitor.ask("a dog")
    visitor.page.locator("#why svg").wait_for()
    visitor.page.get_by_role("button", name="Score my box").click()
    visitor.says("scored")
    assert visitor.violations() == []
    visitor.picture(f"{name}-{width}")
