# Recipes of this repository; the recipes that a project receives are in template/training.

# List the recipes.
default:
    @just --list

# Watch a mess being put in order, and taken back.
[group('try it')]
[positional-arguments]
demo *args:
    @uv run python scripts/demo.py "$@"

# Copy the template into a new or existing folder.
[group('try it')]
[no-cd]
[positional-arguments]
scaffold dest *args:
    @uv run --project {{ quote(justfile_directory()) }} copier copy {{ quote(justfile_directory()) }} "$@"

# Show any repository's clean-up plan; write nothing.
[group('try it')]
[no-cd]
[no-exit-message]
[positional-arguments]
cleanup repo *args:
    @uv run --project {{ quote(justfile_directory()) }} python {{ quote(justfile_directory() / 'scripts' / 'on_repository.py') }} cleanup "$@"

# Show which experiments would be packed; write nothing.
[group('try it')]
[no-cd]
[no-exit-message]
[positional-arguments]
archive repo *args:
    @uv run --project {{ quote(justfile_directory()) }} python {{ quote(justfile_directory() / 'scripts' / 'on_repository.py') }} archive "$@"

# Run the tests.
[group('maintain')]
[positional-arguments]
test *args:
    @uv run pytest "$@"

# Measure ours and other tools: docs/reference/bench.md.
[group('maintain')]
[positional-arguments]
bench *args:
    @uv run python scripts/bench.py "$@"

# Write the pages made from code; build the site.
[group('maintain')]
docs:
    uv run python scripts/write_docs.py
    uv run python -m sphinx -W -n -q -d build/doctrees docs build/site
    @echo "open build/site/index.html"

# Check style, format, types and every justfile.
[group('maintain')]
lint:
    uv run ruff check
    uv run ruff format --check
    uv run mypy
    just --fmt --check
    just --fmt --check --justfile template/justfile
    just --fmt --check --justfile template/training/recipes.just
