"""Verbs about the HTTP face: dashboard, and token create, list, revoke."""

from __future__ import annotations

import click

from dreamos_tasks.errors import Refused, UsageError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import FILLED, SECONDS, OneOf
from dreamos_tasks.interfaces.cli.text import ago, harmless
from dreamos_tasks.interfaces.cli.verb import verb
from dreamos_tasks.interfaces.cli.verb_group import verb_group
from dreamos_tasks.interfaces.http.tokens import OWNER, Scope, TokenBook, TokenFacts, public_form


@verb("dashboard", examples=("dt dashboard", "dt dashboard --open", "dt dashboard --json"))
@option("--open", "opens", is_flag=True, help="And open it in the browser of this machine.")
def dashboard(call: Call, opens: bool) -> None:
    """Print a link to the dashboard. It signs one browser in, once, within ten minutes. Needs the daemon (dt up)."""
    from dreamos_tasks.app.approver import require_person
    from dreamos_tasks.app.daemon_lock import running_daemon
    from dreamos_tasks.interfaces.http.asking import ask_for_link

    require_person(call.home, verb="dashboard")
    card = running_daemon(call.home.daemon_file)
    if card is None:
        raise Refused("no daemon runs, and it is what serves the dashboard", fix="dt up --detach")
    link = ask_for_link(call.home, card.endpoints)
    if call.out.as_json:
        call.out.document({"url": link})
    else:
        call.out.line(link)
    if opens:
        import webbrowser

        if not webbrowser.open(link):
            call.out.note("no browser could be started here: open the link yourself")


@verb_group(
    "token",
    examples=(
        "dt token create --agent ada",
        'dt token create --scope read --note "the wall screen"',
        "dt token list",
        "dt token revoke tk-1a2b3c",
    ),
)
def token(call: Call) -> None:
    """Make, list and revoke the tokens by which programs are let in over HTTP: Authorization: Bearer TOKEN."""
    _list(call)


@token.below(
    "create",
    examples=(
        "dt token create --agent ada",
        'dt token create --scope read --note "the wall screen" --for 30d',
        "dt token create --scope operator --json",
    ),
)
@option("--agent", metavar="NAME", type=FILLED, help="For this agent: it adds tasks, claims and finishes its own.")
@option("--scope", type=OneOf("scope", Scope), help="read, agent or operator. [default: agent with --agent, else read]")
@option("--note", metavar="TEXT", default="", help="What it is for; shown in lists and in the history of tasks.")
@option("--for", "lasts_seconds", metavar="TIME", type=SECONDS, help="How long it opens anything. [default: for ever]")
def token_create(call: Call, agent: str | None, scope: str | None, note: str, lasts_seconds: float | None) -> None:
    """Make a token, and print it this once: only its hash is kept."""
    wanted = Scope(scope) if scope is not None else Scope.AGENT if agent is not None else Scope.READ
    if (wanted is Scope.AGENT) != (agent is not None):
        raise UsageError(
            "--agent goes with --scope agent, and --scope agent with --agent",
            cause="a token of this scope claims and finishes under one agent's name",
            fix="dt token create --agent ada, or dt token create --scope read",
        )
    _require_person(call, "token create")
    secret, facts = _book(call).create(wanted, agent_id=agent, note=note, lasts_seconds=lasts_seconds)
    if call.out.as_json:
        call.out.document({**public_form(facts), "token": secret})
        return
    call.out.line(secret)
    call.out.note(
        f"{facts.token_id}, {_what(facts)}; it is not shown again. dt token revoke {facts.token_id} takes it back"
    )


@token.below("list", examples=("dt token list", "dt token list --json"))
def token_list(call: Call) -> None:
    """List tokens and signed-in browsers: what each may do, and until when."""
    _list(call)


@token.below("revoke", examples=("dt token revoke tk-1a2b3c", "dt token revoke --sessions", "dt token revoke owner"))
@click.argument("ids", metavar="[ID...]", nargs=-1, type=FILLED)
@option("--sessions", is_flag=True, help="Sign every browser out.")
def token_revoke(call: Call, ids: tuple[str, ...], sessions: bool) -> None:
    """Take tokens back; the daemon refuses them from now on. `owner` is the one in runtime/token, and gets a new one."""
    if not ids and not sessions:
        raise UsageError("token revoke takes the ids of tokens, or --sessions", fix="dt token list")
    _require_person(call, "token revoke")
    book = _book(call)
    gone = [*(book.revoke_sessions() if sessions else ())]
    for token_id in ids:
        if token_id == OWNER:
            book.renew_owner_token()
            book.owner_token()
        else:
            gone.append(book.revoke(token_id))
    if call.out.as_json:
        call.out.document([public_form(facts) for facts in gone])
        return
    for facts in gone:
        call.out.line(f"{facts.token_id}  revoked ({_what(facts)})")
    if OWNER in ids:
        call.out.line(f"{OWNER}  renewed")


def _list(call: Call) -> None:
    tokens = _book(call).all()
    if call.out.as_json:
        call.out.document([public_form(facts) for facts in tokens])
        return
    now = call.nexus.clock.now()
    rows = [
        (
            facts.token_id,
            facts.kind,
            facts.scope.value,
            harmless(facts.agent_id or facts.note or "-"),
            ago(facts.created_at, now),
            "-" if facts.expires_at is None else ago(facts.expires_at, now),
        )
        for facts in tokens
    ]
    if rows:
        call.out.table(("ID", "KIND", "SCOPE", "WHOSE", "MADE", "ENDS"), rows)
    else:
        call.out.note("no token was given out: dt token create --agent NAME")


def _what(facts: TokenFacts) -> str:
    whose = facts.agent_id or facts.note
    return f"{facts.kind} of the scope {facts.scope.value}" + (f", {harmless(whose)}" if whose else "")


def _book(call: Call) -> TokenBook:
    from dreamos_tasks.app.boards import make_folder

    make_folder(call.home.runtime)
    return TokenBook(call.home.tokens, call.home.operator_token)


def _require_person(call: Call, verb: str) -> None:
    """Whoever makes a token can make one that decides about tasks. Raises NoPerson."""
    from dreamos_tasks.app.approver import require_person

    require_person(call.home, verb=verb)
