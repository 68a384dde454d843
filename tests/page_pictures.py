"""Take the pictures of the pages in README.md and docs/serving.md from the pages as they are now.

    python -m tests.page_pictures      writes docs/run-page.png and docs/serving-page.png

The run is trained on 108 digits, so few that it overfits. This takes about two minutes, and needs chromium,
chromedriver, and the extras `serve` and `test`.
"""

import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import skimage
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PHOTOGRAPHS = ("coffee.png", "chelsea.png")  # of scikit-image; the page shows the newest first
FEW_IMAGES = {
    "data.test_fraction": 0.5,
    "data.val_fraction": 0.88,  # of the rest
    "train.num_epochs": 60,
    "train.batch_size": 16,
    "train.augment_train": "false",
    "model.weight_decay": 0,
}
COLUMNS = (  # of the picture of a run: sections that are shown, by the beginning of their titles
    ("In short", "What to try", "Scores", "Worst errors"),
    ("Confusion matrix", "Calibration", "Learning"),
)
COLUMN, HEIGHT, SCALE = 610, 1010, 0.66  # pixels of a column, of the picture, and of a CSS pixel
SHOW_ONLY = """
const [isFirst, titles] = arguments;
document.querySelectorAll('main > :not(section)').forEach(part => part.hidden = !isFirst);
document.querySelectorAll('section').forEach(part => {
  const title = part.querySelector('h2').textContent;
  part.style.display = titles.some(text => title.startsWith(text)) ? '' : 'none';
});
"""


@contextmanager
def browser(folder: Path, width: int, height: int, scale: float) -> Iterator[Any]:
    """Yield headless Chromium, whose screenshots have so many pixels.

    :param scale: pixels of a CSS pixel.
    """
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (
        *("headless", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "no-first-run"),
        *("hide-scrollbars", f"user-data-dir={folder / 'profile'}"),
    ):
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    size = {"width": round(width / scale), "height": round(height / scale)}
    try:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {**size, "deviceScaleFactor": scale, "mobile": False}
        )
        yield driver
    finally:
        driver.quit()


def picture_of_run(folder: Path) -> Image.Image:
    """Train on few digits; return the sections of `COLUMNS` beside each other."""
    words = [word for name, value in FEW_IMAGES.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "train.py", "--run-dir", str(folder / "overfitted"), *words]
    subprocess.run(command, cwd=ROOT, check=True)
    whole = Image.new("RGB", (len(COLUMNS) * COLUMN, HEIGHT))
    with browser(folder, COLUMN, HEIGHT, SCALE) as driver:
        driver.get((folder / "overfitted" / "index.html").as_uri())
        for number, titles in enumerate(COLUMNS):
            driver.execute_script(SHOW_ONLY, number == 0, titles)
            whole.paste(_screenshot(driver), (number * COLUMN, 0))
    return whole


def picture_of_server(folder: Path) -> Image.Image:
    """Serve the network that needs no training; return its page after two photographs were dropped on it."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    command = [sys.executable, "serve.py", "efficientnet-lite0", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            found = (re.search(r"http://\S+:\d+/", line) for line in server.stdout or ())
            address = next(match[0] for match in found if match)
            with browser(folder, 940, 840, 1.0) as driver:
                driver.get(address)
                paths = (Path(skimage.__file__).parent / "data" / name for name in PHOTOGRAPHS)
                driver.find_element(By.ID, "files").send_keys("\n".join(map(str, paths)))
                answered = "return document.querySelectorAll('#results table tr').length == 10"
                WebDriverWait(driver, 120).until(lambda _: driver.execute_script(answered))
                return _screenshot(driver)
        finally:
            server.terminate()


def _screenshot(driver: Any) -> Image.Image:
    return Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")


def main() -> None:
    """Write both pictures, with 256 colours."""
    for name, draw in (("serving-page.png", picture_of_server), ("run-page.png", picture_of_run)):
        with tempfile.TemporaryDirectory() as folder:
            draw(Path(folder)).quantize(256, kmeans=8).save(DOCS / name, optimize=True)
        print(f"written: {DOCS / name}")


if __name__ == "__main__":
    main()
