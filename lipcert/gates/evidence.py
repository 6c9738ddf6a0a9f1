"""The number that each rule is about: from stored results, or computed; once for all rules that it serves."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lipcert.attacks.session import open_session
from lipcert.certificate.prove import Progress
from lipcert.errors import InputError
from lipcert.gates import fresh, stored
from lipcert.gates.subject import Once, Subject
from lipcert.reports.quantities import QUANTITIES, Reading
from lipcert.reports.record import Record, read_record
from lipcert.reports.stored import weights_digest
from lipcert.store.examples import explained
from lipcert.workspace.gate import Gate
from lipcert.workspace.load import Workspace

_BY_ATTACK = ("attacked-accuracy", "accuracy-drop")
_ROUNDED = "by rounding alone: in float64 they keep their class there."


@dataclass(frozen=True)
class Evidence:
    """notes: what makes one doubt it. weights: one hash for all of them."""

    reading: Reading
    weights: str
    notes: tuple[str, ...] = ()


class Witness:
    """What is known of the models of a workspace, within `named_from` its folder."""

    def __init__(self, workspace: Workspace, rules: Sequence[Gate], *, fresh: bool, seconds: float, say: Progress):
        open_session.cache_clear()  # a checkpoint may have been written again since the last call
        models = workspace.settings.models
        self._subjects = {name: Subject(name, entry, workspace) for name, entry in models.items()}
        self._rules, self._fresh, self._seconds, self._say = rules, fresh, seconds, say
        self._once = Once()

    def evidence(self, rule: Gate) -> Evidence:
        """Raises a LipcertError where there is none that counts."""
        quantity, subject = QUANTITIES[rule.quantity], self._subjects[rule.model]
        anew = self._fresh or not subject.entry.results
        record = self._computed(subject, rule) if anew else self._stored(subject, rule)
        if rule.quantity == "largest-activation" and anew:
            found = self._once(("activations", rule.key), lambda: fresh.activations(subject, rule))
        else:
            found = quantity.read(record, rule.eps)
        reading = _required(found, rule, record)
        reading = replace(reading, source=fresh.SOURCE) if anew else reading
        return Evidence(reading, weights_digest(record), _notes(record, rule))

    def _stored(self, subject: Subject, rule: Gate) -> Record:
        folder, name = subject.results, rule.model
        if not any(folder.glob("*.json")):
            raise InputError(f"{folder} holds no results.", hint=subject.again(rule))
        record = self._once(("record", name), lambda: read_record(folder, name))
        if rule.quantity in ("bound", "slack"):
            return self._once(("bound", name), lambda: stored.bound(subject, record, rule))
        if rule.quantity == "largest-activation":
            training = self._once(("trained", name), lambda: stored.trained(subject, record, rule))
            return Record(name, subject.weights, folder, training=training)
        if rule.quantity == "accuracy":
            return self._once(("clean", rule.key), lambda: stored.clean(subject, record, rule))
        threat, certified = subject.threat(rule), rule.quantity == "certified-accuracy"
        key = ("attacks", threat.setup, threat.suite, certified)
        return self._once(key, lambda: stored.attacks(subject, record, rule, threat))

    def _computed(self, subject: Subject, rule: Gate) -> Record:
        if rule.quantity in ("bound", "slack"):
            return self._once(("bound", rule.model), lambda: fresh.bound(subject, self._seconds, self._say))
        if rule.quantity == "largest-activation":
            return Record(rule.model, subject.weights)
        if rule.quantity == "accuracy":
            return self._once(("clean", rule.key), lambda: fresh.clean(subject, rule))
        threat = subject.threat(rule)
        attack = any(each.quantity in _BY_ATTACK and _same_run(each, rule) for each in self._rules)
        return self._once(
            ("attacks", threat.setup, threat.suite),
            lambda: fresh.attacks(subject, threat, attack=attack, seconds=self._seconds, say=self._say),
        )


def _same_run(rule: Gate, other: Gate) -> bool:
    return (rule.model, rule.suite, rule.examples) == (other.model, other.suite, other.examples)


def _required(found: Reading | None, rule: Gate, record: Record) -> Reading:
    """What meets a rule: a finite number, and a proved one where that is asked for."""
    if found is None:
        whys = [run.document["uncertified"] for run in record.examples.values() if run.document.get("uncertified")]
        why = whys[0] if whys else "none was found, or it is no finite number."
        raise InputError(
            f"there is no {rule.quantity} of {rule.model}: {why}",
            hint="See what lipcert bound or lipcert attack says of the model.",
        )
    if QUANTITIES[rule.quantity].standing == "proved" and found.standing != "proved":
        raise InputError(
            f"{rule.quantity} of {rule.model} is {found.standing}, not proved: {found.claim}.", hint="Prove it."
        )
    return found


def _notes(record: Record, rule: Gate) -> tuple[str, ...]:
    """What the run of attacks itself says against it. Raises InputError where one of its attacks could not be run."""
    run = record.examples.get("attack")
    if run is None or not rule.facts.by_suite:
        return ()
    rounded = len(explained(run.rows))
    told = (f"rounding: {rounded} of the examples are fooled within a certified radius, {_ROUNDED}",) * bool(rounded)
    if rule.quantity not in _BY_ATTACK:
        return told
    skipped = [name for name, share in run.document["accuracy"][0]["by_attack"].items() if share is None]
    if skipped:
        raise InputError(
            f"the attack {skipped[0]} of the suite could not be run on {rule.model}.",
            hint="Take it out of attacks/*.toml, so that the rule says what was tried.",
        )
    return (*told, *(f"{flag['name']}: {flag['sentence']}" for flag in run.document["flags"]))
