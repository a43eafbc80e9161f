"""A real browser with the real front end of a real server, and no other network access."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, sync_playwright

from dev.host.pack_folder import PACK
from dev.host.server import Host

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    # Nothing but this machine: the front end requests news from public hosts, which tests must not need.
    # Routes of Playwright would block them too, but hold every request, such as the one that queues a graph,
    # until this process calls Playwright again.
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
POLL = 100  # milliseconds
MILLISECONDS = 60_000  # to wait for anything on a page: a busy machine is slow
# Console errors of the front end itself: without a network, and without ComfyUI's own templates.
OF_THE_HOST = ("api.comfy.org", "https://huggingface.co", "Error loading core workflow templates")
# On a busy machine, the mask of the start sometimes never finishes to fade out, and then takes all clicks.
UNMASK = """() => {
    for (const mask of document.querySelectorAll('.p-blockui-mask.p-overlay-mask-leave')) mask.remove();
    return !document.querySelector('.p-blockui-mask');
}"""


@pytest.fixture(scope="session")
def chromium() -> Path:
    if CHROMIUM.exists():
        return CHROMIUM
    reason = f"no browser at {CHROMIUM}: apt-get install chromium, or set CHROMIUM to its path."
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def ui_host(chromium) -> Iterator[Host]:
    with Host(front_end=True) as host:
        yield host


@pytest.fixture(scope="session")
def object_info(ui_host: Host) -> dict:
    return ui_host.client().object_info()


@pytest.fixture(scope="session")
def browser(chromium: Path) -> Iterator[BrowserContext]:
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=str(chromium),
            headless=True,
            args=list(FLAGS),
            viewport={"width": 1600, "height": 1000},
        )
        yield context
        context.close()


@pytest.fixture(scope="session")
def front_end(browser: BrowserContext, ui_host: Host) -> Page:
    """One page for most tests, because it takes seconds to start."""
    return started(browser, ui_host)


def started(browser: BrowserContext, ui_host: Host) -> Page:
    """A page with the front end. `page.complaints` collects console errors, except those of the start."""
    page = browser.new_page()
    page.add_init_script("localStorage.clear()")  # no workflow of an earlier page comes back
    page.complaints = []
    page.set_default_timeout(MILLISECONDS)
    wait = page.wait_for_function  # by default it waits for frames, and an idle page draws none
    page.wait_for_function = lambda *asked, **given: wait(*asked, **{"polling": POLL, **given})
    page.on("console", lambda message: page.complaints.extend(complaint(message)))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(ui_host.url)
    page.wait_for_function("() => window.LiteGraph?.registered_node_types?.['KSampler'] && window.app?.graph")
    page.wait_for_load_state("networkidle")
    page.wait_for_function(UNMASK)
    assert not [text for text in page.complaints if PACK in text]
    page.complaints.clear()
    return page


@pytest.fixture
def page(front_end: Page) -> Page:
    """`page.complaints` collects the console errors of one test."""
    front_end.bring_to_front()  # a page behind another does not redraw, and its nodes ignore clicks
    front_end.complaints.clear()
    return front_end


def complaint(message: ConsoleMessage) -> list[str]:
    """The console error, if any. Missing resources count only if they are ours, except translated pages."""
    text = f"{message.text} ({message.location.get('url', '')})"
    missing = "Failed to load resource" in text and (PACK not in text or "/en.md" in text)
    known = any(each in text for each in OF_THE_HOST)
    return [text] if message.type == "error" and not missing and not known else []
