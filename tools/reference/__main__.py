"""python -m tools.reference: write every page of `docs/reference/` and `docs/rfcs.md`."""

from __future__ import annotations

from tools.reference import FOLDER, ROOT, pages, rfcs


def main() -> None:
    """Write each page, and remove the pages that are no longer generated."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    written = pages()
    for name, text in written.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    for path in FOLDER.glob("*.md"):
        if path.name not in written:
            path.unlink()
    (ROOT / "docs" / "rfcs.md").write_text(rfcs.page(ROOT), encoding="utf-8")
    print(f"{len(written)} pages in {FOLDER.relative_to(ROOT)}, and docs/rfcs.md")


main()
