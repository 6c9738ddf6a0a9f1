"""A gate as JUnit XML: a testcase a rule. What has failed is a failure; what is broken or violated is an error."""

import re
from datetime import datetime
from xml.etree import ElementTree as Xml

from lipcert.gates.result import GateResult, Row, Verdict
from lipcert.gates.words import cells, title, why

_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(result: GateResult, now: datetime) -> str:
    """Valid by the schema of Ant's reports, which is the strictest in use. now: in UTC."""
    failures = result.count(Verdict.FAILED)
    errors = result.count(Verdict.BROKEN) + result.count(Verdict.VIOLATED)
    root = Xml.Element("testsuites")
    suite = Xml.SubElement(
        root, "testsuite", id="0", package="lipcert", name="lipcert gate", hostname="localhost",
        timestamp=now.strftime("%Y-%m-%dT%H:%M:%S"), time=f"{result.seconds:.3f}",
        tests=str(len(result.rows)), failures=str(failures), errors=str(errors),
    )  # fmt: skip
    Xml.SubElement(suite, "properties")
    for row in result.rows:
        _case(suite, row)
    Xml.SubElement(suite, "system-out").text = "\n".join(_text(" | ".join(cells(row))) for row in result.rows)
    Xml.SubElement(suite, "system-err")
    Xml.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _case(suite: Xml.Element, row: Row) -> None:
    case = Xml.SubElement(
        suite, "testcase", classname=f"lipcert.gate.{_text(row.rule.model)}", name=_text(title(row)), time="0"
    )
    if row.verdict == Verdict.PASSED:
        return
    tag = "failure" if row.verdict == Verdict.FAILED else "error"
    Xml.SubElement(case, tag, type=str(row.verdict), message=_text(row.message)).text = _text(why(row))


def _text(text: str) -> str:
    """Without what XML has no way to write."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
