"""A page in Debian's Chromium, and all that it complained of or asked the network for."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

PHONE, DESK = (360, 740), (1280, 900)


@dataclass
class Opened:
    """said: warnings and errors of the console. asked: addresses other than the file's own."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


Open = Callable[..., Opened]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    command = shutil.which("chromium")
    if command is None:
        pytest.fail("there is no command chromium; `make browser` installs it")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=command, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """A file, opened: opened(path, size=PHONE, theme="dark", before="a script that runs first")."""
    contexts = []

    def open_page(path: Path, *, size: tuple[int, int] = DESK, theme: Any = "light", before: str = "") -> Opened:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=theme)
        contexts.append(context)
        context.add_init_script(before)
        found = Opened(context.new_page())
        found.page.on(
            "console", lambda message: message.type in ("error", "warning") and found.said.append(message.text)
        )
        found.page.on("pageerror", lambda error: found.said.append(str(error)))
        found.page.on("request", lambda request: request.url != path.as_uri() and found.asked.append(request.url))
        found.page.goto(path.as_uri())
        return found

    yield open_page
    for context in contexts:
        context.close()
