"""`python -m maskwatch`, as the supervisor starts its workers."""

from maskwatch.cli import main

if __name__ == "__main__":
    main()
