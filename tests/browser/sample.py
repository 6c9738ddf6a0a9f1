"""A report that uses all that a report may hold: long paths and numbers, many rows, several figures, hostile words."""

from typing import TYPE_CHECKING

from lipcert.reports.content import Cell, Column, Picture, Report, Section, Table, Text, Tone
from lipcert.reports.figures.style import COLOURS, HATCHES, MARKERS, dashes, legend_below, panels, powers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HOSTILE = "<script>alert('owned')</script> `\"quoted\" & 'so' </style> {{ 7 * 7 }} <img src=x onerror=alert(1)>"
TURNED = "moc.\u202eelpmaxe\u202c proved \x00 שלום עולם مرحبا"
LONG = ".".join(["encoder", "transformer_layers", "11", "self_attention", "output_projection", "weight"] * 2)
HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def report() -> Report:
    return Report(
        "digits.safetensors: how far it can be moved",
        (
            Text(
                "Any two images in [0, 1]⁶⁴ that differ by d in l2 have logits that differ by at most 15.8556·d: "
                "proved, in real arithmetic, with exactly the weights of the file."
            ),
            Text("Of 360 test images, 97.5% are classified rightly, and 41.2% provably stay so up to eps 0.2."),
        ),
        (
            Section("verdict", "Verdict", _verdict()),
            Section(
                "layers",
                "Layers",
                (
                    _layers(),
                    Text("A share is of the bound's logarithm; `lipcert bound --norm linf` gives others."),
                ),
            ),
            Section("accuracy", "Accuracy under attack", (_line("accuracy", 1), _short(), _line("training", 3))),
            Section("activations", "Activations", (_bars(), _many())),
            Section("hostile", HOSTILE, _hostile()),
            Section("provenance", "Provenance", _provenance()),
        ),
    )


def _verdict() -> tuple[Text, ...]:
    return (
        Text("Proved and measured agree: at least 15.7642 is reached, 1.01 times less than what is proved.", "good"),
        Text("The attack is of older weights than the training run; its numbers are left out.", "caution"),
        Text("The gate refuses the accuracy drop at 0.5: 41.1 points where 30 are allowed.", "bad"),
        Text("lipcert bound demo/digits.safetensors --domain box:0,1 --out reports/digits --seconds 1", code=True),
    )


def _layers() -> Table:
    shares = (0.34, 0.0, 0.45, 0.0, 0.21)
    rows = [
        (
            Cell(f"layers.{9 + number}", 9.0 + number),
            Cell(("relu", "linear")[number % 2 == 0]),
            Cell(f"{2.66751 * share:.5g}" if share else "1", 2.66751 * share or 1.0),
            Cell(
                "10^264" if number == 2 else f"{15.8556 * share + 1:.6g}", 1e264 if number == 2 else 15.8556 * share + 1
            ),
            Cell(f"{100 * share:.0f}%", share, bar=share),
        )
        for number, share in enumerate(shares)
    ]
    columns = ("layer", "operation", "proved, l2 → l2", "gain to here", "share")
    return Table("What every layer adds, in l2", [Column(each, n > 1) for n, each in enumerate(columns)], rows)


def _short() -> Table:
    tones: tuple[Tone, ...] = ("good", "plain", "caution", "bad")
    rows = [
        (
            Cell(f"{eps}", eps),
            Cell("97.5%", 0.975),
            Cell(f"{97.5 - 80 * eps:.1f}%", 0.975 - 0.8 * eps),
            Cell("", None) if eps > 0.3 else Cell(f"{95 - 270 * eps:.1f}%", 0.95 - 2.7 * eps),
            Cell(f"{80 * eps:.1f} points", 0.8 * eps, tone=tone),
        )
        for eps, tone in zip((0.1, 0.2, 0.3, 0.5), tones, strict=True)
    ]
    columns = ("eps (l2)", "clean", "attacked", "certified", "drop")
    return Table("Accuracy and what an attack takes of it", [Column(each, number=True) for each in columns], rows)


def _many() -> Table:
    rows = [
        (
            Cell(f"`transformer.blocks.{n}.attention.output_projection`"),
            Cell(f"{(n * 37) % 61 + 0.25:.2f}", (n * 37) % 61 + 0.25),
            Cell("yes" if n % 7 else "no", tone="plain" if n % 7 else "bad"),
            Cell(f"10^{n * 5}", float(n * 5)),
        )
        for n in range(60)
    ]
    columns = [Column("layer"), Column("largest entry", True), Column("fits fp8 e4m3"), Column("bound", True)]
    return Table("Activations of every layer", columns, rows, many=True)


def _hostile() -> tuple[Text | Table, ...]:
    columns = [
        Column(HOSTILE),
        Column(TURNED),
        *(Column(f"a quantity with a long name, number {n}", True) for n in range(6)),
    ]
    rows = [
        (Cell(HOSTILE, tone="bad"), Cell(TURNED), *(Cell("1.2345678901234567890e+264", 1e264) for _ in range(6))),
        (Cell(LONG), Cell(HASH), *(Cell("−10^1000", float("-inf"), bar=7.0) for _ in range(6))),
        (Cell(""), Cell("x" * 200), *(Cell("not a number", float("nan"), bar=float("nan")) for _ in range(6))),
    ]
    return Text(HOSTILE), Text(TURNED, "caution"), Text(HOSTILE, code=True), Table(HOSTILE, columns, rows)


def _provenance() -> tuple[Table | Text, ...]:
    facts = {
        "weights, sha256": HASH,
        "parameter": LONG,
        "lipcert": "0.1.0",
        "torch": "2.9.1",
        "seed": "0",
        "time": "2 s",
    }
    rows = [(Cell(name), Cell(value)) for name, value in facts.items()]
    return Table("Where the numbers come from", [Column("what"), Column("value")], rows), Text(f"Bound {LONG}.")


def _line(name: str, columns: int) -> Picture:
    figure, axes = panels(1, columns)
    for number, axis in enumerate(axes):
        for series in range(len(COLOURS)):
            eps = [0.1 * n for n in range(11)]
            heights = [(series + 1 + number) * (1 - 0.6 * x) for x in eps]
            look = {"color": COLOURS[series], "marker": MARKERS[series], "linestyle": dashes(series), "markersize": 4}
            axis.plot(eps, heights, label=f"network {series}", **look)
        axis.axhline(2, color="black", linestyle="--", linewidth=0.8)
        axis.set(title="accuracy", xlabel="eps (l2)", ylabel="accuracy")
    powers(axes[-1].yaxis)
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return Picture(name, figure, f"Accuracy of nine networks against eps, in {columns}.", "Nine falling lines.")


def _bars() -> Picture:
    figure, (axis,) = panels(1, 1, width=7.0)
    for number, hatch in enumerate(HATCHES):
        axis.barh([number], [number + 1], label=hatch or "plain", color=COLOURS[number], hatch=hatch, edgecolor="white")
    axis.set(xlabel="largest entry", title="Activations")
    axis.legend()
    return Picture("bars", figure, HOSTILE, HOSTILE)


def figure() -> "Figure":
    """One with ids of every sort: clips, markers, hatches."""
    return _bars().figure
