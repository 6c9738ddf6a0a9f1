"""Stored results, as far as they can be trusted: of these weights, of this claim, and in agreement with themselves."""

from collections.abc import Mapping
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Any

from lipcert.attacks.session import Session, open_session
from lipcert.attacks.threat import Threat, tried
from lipcert.certificate.check import check
from lipcert.errors import InputError, RejectedError, ViolationError
from lipcert.gates.rows import require_rows
from lipcert.gates.subject import Subject
from lipcert.reports.record import Document, Examples, Record, Training, certificate_of
from lipcert.store.run import BOUND, CERTIFICATE, RunKind
from lipcert.workspace.gate import Gate

# Exponents in a file may be as large as they like; as decimals they cost nothing.
_WIDE = Context(prec=60, Emin=MIN_EMIN, Emax=MAX_EMAX)
_ROOM = Decimal("1e-9")


def bound(subject: Subject, record: Record, rule: Gate) -> Record:
    """The stored bound alone, its certificate proved again from the checkpoint.

    Raises InputError and RejectedError where it is not this network's or not this claim's, ViolationError where what
    was measured beats what is proved.
    """
    assert record.folder is not None
    result, again = record.bound, subject.again(rule)
    if result is None:
        raise InputError(f"{record.folder} holds no {BOUND}.", hint=again)
    if result["status"] != "proved" or result["upper"] is None:
        raise InputError(f"{BOUND} proves nothing: its status is {result['status']}.", hint=again)
    certificate = certificate_of(record, again)
    _require_claim(subject, certificate["claim"], again)
    try:
        check(certificate, subject.graph, subject.entry.output)
    except RejectedError as error:
        raise RejectedError(f"{record.folder / CERTIFICATE}: {error.message}", hint=again) from error
    _require_below(result)
    return Record(record.name, certificate["weights_sha256"], record.folder, result)


def _require_claim(subject: Subject, claim: Mapping[str, Any], again: str) -> None:
    """Norm and domain; the checker holds source, output and shape against the network as the entry names it."""
    wanted = {"norm": subject.entry.norm, "domain": str(subject.domain)}
    for key, value in wanted.items():
        if claim[key] != value:
            raise InputError(
                f"{BOUND} is about the {key} {claim[key]}; [models.{subject.name}] asks for {value}.", hint=again
            )


def _require_below(result: Mapping[str, Any]) -> None:
    """As `lipcert bound` does before it returns, with the same room for rounding in float64."""
    upper, lower = Decimal(result["upper"]), result["lower"]
    product = min(Decimal(result["product"] or 1), Decimal(1))
    allowed = _WIDE.add(upper, _WIDE.multiply(_ROOM, _WIDE.add(upper, product)))
    if lower is not None and not Decimal(lower) <= allowed:
        raise ViolationError(
            f"{BOUND} holds a measured ratio, {lower!r}, above the bound that is proved, {result['upper']}.",
            hint="Either the file was changed by hand, or this is a bug in lipcert: report it with the checkpoint.",
        )


def clean(subject: Subject, record: Record, rule: Gate) -> Record:
    """The stored run that says which examples are right, whatever was attacked in it."""
    kind: RunKind = "certify" if list(record.examples) == ["certify"] else "attack"
    session = subject.examples(rule)
    run = _run(subject, record, rule, kind)
    _require_same(subject, run, session, rule)
    require_rows(run, session, kind, subject.again(rule))
    return Record(record.name, subject.weights, record.folder, examples={kind: run})


def attacks(subject: Subject, record: Record, rule: Gate, threat: Threat) -> Record:
    """The stored run of the threat that a rule is about."""
    alone = rule.quantity == "certified-accuracy" and list(record.examples) == ["certify"]
    kind: RunKind = "certify" if alone else "attack"
    run, session = _run(subject, record, rule, kind), open_session(threat.setup)
    _require_same(subject, run, session, rule)
    _require_threat(run, threat, session, kind, subject.again(rule))
    require_rows(run, session, kind, subject.again(rule))
    return Record(record.name, subject.weights, record.folder, examples={kind: run})


def trained(subject: Subject, record: Record, rule: Gate) -> Training:
    """The training run that ended in these weights."""
    run, data = record.training, subject.entry.data
    if run is None:
        raise InputError(f"{record.folder} holds no train.json.", hint=subject.again(rule))
    if rule.examples is not None:
        raise InputError(
            f"the rule asks for {rule.examples} examples; {record.folder}/train.json is about data of its own.",
            hint="Take examples out of the rule, or compute it: lipcert gate --fresh",
        )
    name, again = f"{record.folder}/train.json", f"Train it again: {run.document['command']}"
    _require_weights(subject, run.document, name, again)
    if run.document["model"].get("network_sha256") != subject.model.network_sha256:
        raise _remade(subject, name, again)
    if data not in ("", run.document["data"]["name"]):
        seen = run.document["data"]["name"]
        raise InputError(
            f"{record.folder}/train.json is about {seen}; [models.{subject.name}] asks for {data}.",
            hint=subject.again(rule),
        )
    return run


def _run(subject: Subject, record: Record, rule: Gate, kind: RunKind) -> Examples:
    if kind not in record.examples:
        raise InputError(f"{record.folder} holds no {kind}.json.", hint=subject.again(rule))
    return record.examples[kind]


def _require_same(subject: Subject, run: Examples, session: Session, rule: Gate) -> None:
    """The network, and the examples."""
    found, again = run.document, subject.again(rule)
    name = f"{subject.entry.results}/{found['kind']}.json"
    _require_weights(subject, found, name, again)
    if found["model"].get("network_sha256", subject.model.network_sha256) != subject.model.network_sha256:
        raise _remade(subject, name, again)
    if found["data"]["sha256"] != session.dataset.sha256:
        raise InputError(f"{name} is about other data than {subject.entry.data} holds now.", hint=again)
    if found["data"]["examples"] != len(session.y):
        raise InputError(
            f"{name} is about {found['data']['examples']} examples; the rule asks for {len(session.y)}.",
            hint=f"{again}\nOr add examples = {found['data']['examples']} to the rule.",
        )


def _require_weights(subject: Subject, found: Document, name: str, again: str) -> None:
    if found["model"]["weights_sha256"] != subject.weights:
        raise InputError(f"{name} is about other weights than {subject.entry.path}.", hint=again)


def _remade(subject: Subject, name: str, again: str) -> InputError:
    return InputError(f"{name} is about another network of these weights than {subject.entry.path} holds.", hint=again)


def _require_threat(run: Examples, threat: Threat, session: Session, kind: RunKind, again: str) -> None:
    """Norm, source and suite as they stand in the workspace now."""
    found, wanted = run.document, tried(threat)
    if "threat" not in found:
        raise InputError(f"{kind}.json does not say what was tried: an earlier lipcert wrote it.", hint=again)
    keys = list(wanted) if kind == "attack" else ["output", "domain"]
    stated = {key: found["threat"][key] for key in keys}
    asked = {key: wanted[key] for key in keys}
    stated |= {"suite": found["suite"], "norm": found["norm"], "source": found["source"]}
    asked |= {"suite": threat.suite, "norm": threat.plan.norm.name, "source": session.target.place or "input"}
    for key, value in asked.items():
        if stated[key] != value:
            raise InputError(f"{kind}.json says {key} = {stated[key]!r}; the rule asks for {value!r}.", hint=again)
