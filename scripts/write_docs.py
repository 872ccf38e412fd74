"""Write what the documentation takes from the code: reference tables, transcripts, the picture."""

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT / "template/training/recipes"), str(CHECKOUT / "template/training")]

import docs_picture
import docs_recipes
import docs_story
import docs_tables

README, PICTURE = "README.md", "docs/before_and_after.svg"
TOLD = ("docs/tutorial.md", "docs/how_to/adopt_a_repository.md")  # the first takes all back
START, END = "<!-- made by just docs -->\n", "<!-- end -->\n"


def main() -> int:
    """Write every file that differs and name it; returns 0."""
    for path, text in contents().items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"written: {path.relative_to(CHECKOUT)}")
    return 0


def contents() -> dict[Path, str]:
    """Return what each file that is made, or made in part, should hold."""
    pages = {
        "docs/reference/recipes.md": docs_recipes.page(),
        "docs/reference/conventions.md": docs_tables.conventions_page(),
        "docs/reference/readers.md": docs_tables.readers_page(),
        README: _between((CHECKOUT / README).read_text("utf-8"), docs_recipes.summary_table()),
    }
    with docs_story.begun() as story:
        pages |= {page: story.tell((CHECKOUT / page).read_text("utf-8")) for page in TOLD}
        pages[PICTURE] = _picture(story)
    return {CHECKOUT / path: text for path, text in pages.items()}


def _picture(story: docs_story.Story) -> str:
    same = sum(path.endswith("/best_model.pt") for path in story.before)
    archives = sum(path.endswith(".tar.gz") for path in story.after)
    notes = (
        f"{len(story.before)} checkpoints and logs, {same} of them called best_model.pt.",
        f"The best in production, {archives} archives, all accounted for.",
    )
    return docs_picture.picture(story.before, story.after, notes)


def _between(page: str, text: str) -> str:
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}{text}{END}{after}"


if __name__ == "__main__":
    sys.exit(main())
