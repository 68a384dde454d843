"""learning/serving/page.py: the page in a browser, and what the browser may load."""

import base64
import hashlib
import importlib.util
import re
import shutil

import pytest

from learning.serving.limits import Limits
from learning.serving.page import Page
from tests.support.served import Brightness, photo, serving

CHROMIUM, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
HOSTILE = "<img src=x onerror=document.title='run'>"  # as the name of a class and of a file


def test_the_policy_allows_the_script_and_the_style_of_the_page_and_no_other():
    page = Page("net", ("a", "b"), Limits(), has_maps=True)
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        [text] = re.findall(rf"<{tag}>(.*?)</{tag}>", page.html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in page.policy.split("; ")
    assert "default-src 'none'" in page.policy
    assert "http" not in page.html


def test_names_are_escaped():
    html = Page(HOSTILE, (HOSTILE, "\udcff"), Limits(), has_maps=False).html
    assert "<img" not in html
    assert html.count("&lt;img src=x onerror=document.title=&#39;run&#39;&gt;") == 3
    html.encode()


def test_a_thousand_classes_are_not_listed():
    html = Page("net", tuple(f"class {number:04}" for number in range(1000)), Limits(), has_maps=False).html
    assert "1,000 classes: class 0000," in html
    assert "class 0012" not in html


@pytest.fixture
def browser(tmp_path):
    """Headless Chromium, as a person who has never used it finds it."""
    if not (CHROMIUM and DRIVER and importlib.util.find_spec("selenium")):
        pytest.skip("needs chromium, chromedriver and selenium")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (
        *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-dev-shm-usage"),
        *("disable-background-networking", "disable-component-update", "disable-sync"),
        f"user-data-dir={tmp_path / 'profile'}",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


def test_a_photograph_that_is_chosen_gets_its_classes_as_bars(browser, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    class Net(Brightness):
        class_names = ("dark", HOSTILE)

    def texts(selector):
        return [found.text for found in browser.find_elements(By.CSS_SELECTOR, selector)]

    contents = {"dark.png": photo(51), f"{HOSTILE}.png": photo(255), "bad.png": b"no image"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    with serving(Net(), name=HOSTILE) as (client, _):
        browser.get(f"http://localhost:{client.port}/")
        browser.find_element(By.ID, "files").send_keys("\n".join(str(tmp_path / name) for name in contents))
        WebDriverWait(browser, 600).until(
            lambda _: texts("#results h2") and not texts("[aria-busy]") and not texts("#status")[0]
        )
        assert texts("#results h2") == ["bad.png", f"{HOSTILE}.png", "dark.png"]  # the newest first
        assert texts(".wrong")[0].startswith("not an image of a known format")
        assert texts("th") == [HOSTILE, "dark", "dark", HOSTILE]
        assert texts("td.share") == ["100.0%", "0.0%", "80.0%", "20.0%"]
        bars = browser.find_elements(By.CSS_SELECTOR, ".track div")
        assert [bar.get_attribute("style") for bar in bars] == [f"width: {n}%;" for n in (100, 0, 80, 20)]
        widths = "return [...document.images].map((image) => image.complete && image.naturalWidth)"
        WebDriverWait(browser, 600).until(lambda _: all(browser.execute_script(widths)))
        assert browser.execute_script(widths) == [8] * 4  # a crop and a map each
        assert browser.title == HOSTILE
    errors = [entry["message"] for entry in browser.get_log("browser")]
    assert [message for message in errors if "422 (Unprocessable" not in message] == []
    for width in (1200, 400):
        browser.set_window_size(width, 900)
        assert browser.execute_script(
            "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
