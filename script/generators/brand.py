"""Renders assets/brand/*.svg into the brand images that Home Assistant shows for the integration.

Every image carries the digest of what it was made from, so that `--check` compares without a browser.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import struct
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "assets/brand"
TARGETS = ROOT / "custom_components/microgrid/brand"

# What changes on a dark background, in any of the drawings.
DARK_COLOURS = {"#0B7FB0": "#22A7DD", "#14A098": "#25C2B4", "#4CC552": "#6FE070", "#123B46": "#F2F7F8"}

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DIGEST_KEY = b"Source-SHA256"


@dataclass(frozen=True, slots=True)
class Image:
    """One image to make."""

    drawing: str
    height_px: int
    dark: bool = False
    double: bool = False

    @property
    def path(self) -> Path:
        """Where Home Assistant looks for it."""
        return TARGETS / f"{'dark_' if self.dark else ''}{self.drawing}{'@2x' if self.double else ''}.png"

    @property
    def svg(self) -> str:
        """The drawing in the colours of this image."""
        svg = (SOURCES / f"{self.drawing}.svg").read_text(encoding="utf-8")
        for light, dark in DARK_COLOURS.items() if self.dark else ():
            svg = svg.replace(light, dark)
        return svg

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        if (found := re.search(r'viewBox="0 0 (\d+) (\d+)"', self.svg)) is None:
            raise SystemExit(f'{self.drawing}.svg needs viewBox="0 0 <width> <height>" in whole numbers')
        width, height = map(int, found.groups())
        return round(self.height_px * width / height), self.height_px

    @property
    def digest(self) -> bytes:
        """What the image was made from."""
        return hashlib.sha256(f"{self.size_px}{self.svg}".encode()).hexdigest().encode()


IMAGES = tuple(
    Image(drawing, height_px * (2 if double else 1), dark, double)
    for drawing, height_px in (("icon", 256), ("logo", 128))
    for dark in (False, True)
    for double in (False, True)
)


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of the chunks of a PNG file."""
    position = len(_PNG_SIGNATURE)
    while position < len(png):
        length, kind = struct.unpack_from(">I4s", png, position)
        yield kind, png[position + 8 : position + 8 + length]
        position += length + 12


def with_digest(png: bytes, digest: bytes) -> bytes:
    """Return the file with a text chunk after its header."""
    parts = list(chunks(png))
    parts.insert(1, (b"tEXt", _DIGEST_KEY + b"\0" + digest))
    return _PNG_SIGNATURE + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )


def up_to_date(image: Image) -> bool:
    """Return whether the file was made from the drawing as it is now."""
    if not image.path.exists():
        return False
    return (b"tEXt", _DIGEST_KEY + b"\0" + image.digest) in chunks(image.path.read_bytes())


def render(images: list[Image]) -> None:
    """Let a browser draw."""
    from playwright.sync_api import sync_playwright  # only needed when a drawing changed

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for image in images:
            width, height = image.size_px
            page = browser.new_page(viewport={"width": width, "height": height})
            page.set_content(
                f"<style>body{{margin:0}}svg{{display:block;width:{width}px;height:{height}px}}</style>{image.svg}"
            )
            png = page.screenshot(omit_background=True)
            page.close()
            image.path.parent.mkdir(exist_ok=True)
            image.path.write_bytes(with_digest(png, image.digest))
            print(f"wrote {image.path.relative_to(ROOT)}")
        browser.close()


def main() -> int:
    """Render what is not up to date, or say what is not."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="write nothing; fail when one is outdated")
    check = arguments.parse_args().check
    outdated = [image for image in IMAGES if not up_to_date(image)]
    if check:
        for image in outdated:
            print(f"{image.path.relative_to(ROOT)} is not what its drawing says: run script/generate brand")
        return 1 if outdated else 0
    if outdated:
        render(outdated)
    return 0


if __name__ == "__main__":
    sys.exit(main())
