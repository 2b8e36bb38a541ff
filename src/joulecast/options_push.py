"""What says where run records are sent: for `joulecast profile` and `joulecast push`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joulecast.options import existing

if TYPE_CHECKING:
    import argparse


def fill_push(group: Any) -> None:  # noqa: ANN401 (argparse keeps its class private)
    """Add the service and its token to `group`."""
    told = "send records to this service; they wait here while it is away"
    group.add_argument("--push", type=_service, metavar="URL", help=told)
    told = "holds the token of the service (default: $JOULECAST_TOKEN)"
    group.add_argument("--push-token-file", type=existing, metavar="FILE", help=told)


def add_push(verbs: Any) -> None:  # noqa: ANN401 (argparse keeps its class private)
    """Add `push` to the verbs of `joulecast`."""
    what = "send run records that wait for a service"
    parser: argparse.ArgumentParser = verbs.add_parser(
        "push",
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog="Exit codes: 0 nothing is left to send, 2 bad input, away or refused.",
        allow_abbrev=False,
    )
    places = "records and folders of records that are sent too; needs --push"
    parser.add_argument("places", nargs="*", type=existing, metavar="RUNS", help=places)
    fill_push(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def _service(text: str) -> str:
    from joulecast.push_post import service_url

    return service_url(text)
