"""The page in a real browser: what is typed, drawn or dropped becomes an answer; nothing is loaded from elsewhere."""

from collections.abc import Iterator

import pytest
from browser import CHROMIUM, Page, browsing
from servers import Server

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browsing(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture
def page(browser: Page, server: Server) -> Iterator[Page]:
    browser.size(1000, 800)
    browser.open(f"{server.url}/")
    browser.wait("window.models !== undefined || document.querySelector('#form button')")
    browser.wait("document.querySelector('#form button')")
    yield browser
    assert not browser.errors
    assert all(url.startswith((server.url, "data:", "blob:", "about:")) for url in browser.asked)


def choose(page: Page, model: str, language: str = "en") -> None:
    page.run(
        f"$('lang').value = '{language}'; $('lang').onchange(); $('model').value = '{model}'; $('model').onchange()"
    )


def type_into(page: Page, **cells: str) -> None:
    for name, text in cells.items():
        page.run(f"document.getElementById('f-{name}').value = {text!r}")


def click(page: Page) -> None:
    page.run("document.querySelector('#form button.main').click()")


def test_a_row_of_a_table_is_predicted(page: Page, server: Server) -> None:
    row = {"rooms": 3, "area": 82.5, "city": "Rome", "sold": "2024-03-05", "lift": True}
    choose(page, "houses")
    type_into(page, rooms="3", area="82.5", city="Rome", sold="2024-03-05", lift="true")
    click(page)
    page.wait("document.querySelector('.answer')")
    expected = server.predict("houses", rows=[row]).json()["predictions"][0]["prediction"]
    assert float(page.run("document.querySelector('.answer').textContent")) == pytest.approx(expected, rel=1e-4)
    assert (
        page.run("[...document.querySelectorAll('datalist option')].map(o => o.value).sort().join()")
        == "Lima,Oslo,Rome"
    )


def test_a_text_is_sent_by_the_keyboard_and_its_chances_are_shown(page: Page) -> None:
    choose(page, "reviews")
    page.run("document.querySelector('textarea').focus()")
    page.call("Input.insertText", text="a warm film")
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, modifiers=2)
    page.wait("document.querySelectorAll('.bar').length === 2")
    shares = page.run("[...document.querySelectorAll('.bar em')].map(e => parseFloat(e.textContent))")
    assert sum(shares) == pytest.approx(100, abs=0.2)
    assert shares == sorted(shares, reverse=True)


def test_an_image_is_drawn(page: Page) -> None:
    choose(page, "photos")
    page.run("document.querySelector('canvas').scrollIntoView()")
    box = page.run("(b => [b.x, b.y])(document.querySelector('canvas').getBoundingClientRect())")
    for kind, x, y in (("mousePressed", 40, 40), ("mouseMoved", 120, 90), ("mouseReleased", 150, 150)):
        buttons = 0 if kind == "mouseReleased" else 1
        page.call(
            "Input.dispatchMouseEvent",
            type=kind, x=box[0] + x, y=box[1] + y, button="left", buttons=buttons, clickCount=1,
        )  # fmt: skip
    drawn = "[...document.querySelector('canvas').getContext('2d').getImageData(0, 0, 280, 280).data]"
    assert page.run(f"{drawn}.filter((v, i) => i % 4 === 0 && v > 200).length") > 100
    click(page)
    page.wait("document.querySelector('.answer')")
    assert page.run("document.querySelector('.answer').textContent") in ("day", "night")


def test_an_image_is_dropped(page: Page) -> None:
    choose(page, "photos")
    page.run(
        "(async () => { const canvas = document.querySelector('canvas');"
        "const file = new File([await new Promise(done => canvas.toBlob(done))], 'a.png', { type: 'image/png' });"
        "const data = new DataTransfer(); data.items.add(file);"
        "document.querySelector('.drop').dispatchEvent(new DragEvent('drop', { dataTransfer: data })); })()"
    )
    page.wait("document.querySelector('.drop img')")
    click(page)
    page.wait("document.querySelectorAll('.bar').length === 2")


def test_a_text_is_written_while_it_is_read_in_chinese_on_a_phone(page: Page) -> None:
    page.size(360, 740, mobile=True)
    choose(page, "sayings", "zh")
    assert page.run("document.querySelector('#form button.main').textContent") == "生成"
    assert page.run("document.documentElement.lang") == "zh"
    page.run("document.querySelector('[name=prompt]').value = 'my bird'")
    type_into(page, temperature="0")
    click(page)
    page.wait("document.querySelector('#out .text') && document.querySelector('#out .text').textContent.length > 12")
    assert page.run("document.querySelector('#out .text').textContent").startswith("my bird")
    assert page.run("document.documentElement.scrollWidth") <= 360


def test_what_is_refused_is_told(page: Page, server: Server) -> None:
    choose(page, "houses")
    type_into(page, rooms="3", sold="some day")
    click(page)
    page.wait("document.querySelector('[role=alert]')")
    assert 'column "sold"' in page.run("document.querySelector('[role=alert]').textContent")
    assert page.errors  # the browser itself notes each 4xx
    page.errors.clear()


def test_entities_are_marked_and_every_field_has_a_name(page: Page) -> None:
    choose(page, "names")
    page.run("document.querySelector('textarea').value = 'We met Ann in Rome .'")
    click(page)
    page.wait("document.querySelector('#out .text')")
    assert "We" in page.run("document.querySelector('#out .text').textContent")
    for model in ("houses", "photos", "sayings"):
        choose(page, model)
        unnamed = (
            "[...document.querySelectorAll('input, select, textarea')].filter(e => !e.labels.length && !e.ariaLabel)"
        )
        assert page.run(f"{unnamed}.length") == 0


def test_what_moved_since_training_is_shown_with_the_model(page: Page, server: Server) -> None:
    assert server.predict("sayings", rows=[{"text": "a bird " * 30}] * 250).status_code == 200
    choose(page, "sayings", "zh")
    page.wait("document.querySelector('#drift li')")
    assert "训练以来的变化" in page.run("document.querySelector('#drift summary').textContent")
    assert "超出原有范围" in page.run("document.querySelector('#drift').textContent")
    choose(page, "houses")
    assert page.run("document.querySelector('#drift') === null")
