"""A process that uses an embedded server: prints the URL, then lives until its input ends."""

import sys
from pathlib import Path

from billy.embedded import Server
from billy.embedded.home import Home


def main() -> None:
    server = Server(Home(root=Path(sys.argv[1])), fast=sys.argv[2:] == ["fast"])
    server.join()
    server.create_database("billy")
    sys.stdout.write(f"{server.url('billy')}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
