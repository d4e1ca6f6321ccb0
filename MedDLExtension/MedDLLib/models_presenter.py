"""What the section Model shows, decided without Qt: which models match, what a card says, what a download is up to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape

from MedDLLogic.models.card import ModelCard, Performance

from .i18n import _
from .view import NOTHING, Control, Line
from .words import first_upper, listed, size_in_words, time_in_words

MAX_SEGMENTS_LISTED = 30


@dataclass(frozen=True)
class Listed:
    """A model that can be chosen.

    Parameters
    ----------
    parts : the cards of all its parts: its own first, then those that it runs.
    has_quality : whether it cuts the image into pieces, so that their overlap can be chosen.
    can_mirror : whether it was trained on mirrored images.
    """

    card: ModelCard
    parts: tuple[ModelCard, ...]
    has_quality: bool = False
    can_mirror: bool = False

    @property
    def licenses(self) -> tuple[str, ...]:
        """The terms of all parts, each once."""
        return tuple(dict.fromkeys(part.license.expression for part in self.parts))


@dataclass(frozen=True)
class Needs:
    """What a model asks for before it runs here.

    Parameters
    ----------
    download_bytes : what is still to be fetched.
    lost : names of cards whose weights should lie in a file that is not there.
    took_s : how long its last run took on this machine; None where it never ran.
    """

    download_bytes: int = 0
    lost: tuple[str, ...] = ()
    took_s: float | None = None


@dataclass(frozen=True)
class ModelItem:
    """One line of the list."""

    name: str
    text: str
    tool_tip: str
    is_shown: bool


@dataclass(frozen=True)
class ModelsView:
    """Everything visible in the section; ``get_progress`` is 0 .. 100, None hides the bar, -1 means busy."""

    items: tuple[ModelItem, ...]
    chosen: str
    search: Line
    broken: Line
    facts: str
    more: Control
    details: str
    get: Control
    get_cancel: Control
    get_progress: int | None
    get_line: Line


@dataclass(frozen=True)
class Models:
    """One moment of the section. Every method returns the next moment.

    Parameters
    ----------
    listed : in the order of the list.
    broken : one line for each card of the user's that cannot be used.
    chosen : name of the model.
    getting : name of the model that is being downloaded, ``got`` the fraction that is here, None at the start.
    """

    listed: tuple[Listed, ...] = ()
    broken: tuple[str, ...] = ()
    search: str = ""
    chosen: str = ""
    needs: Needs = Needs()
    is_open: bool = False
    getting: str = ""
    got: float | None = None
    is_stopping: bool = False
    said: Line = NOTHING

    @property
    def model(self) -> Listed | None:
        """The chosen model."""
        return next((model for model in self.listed if model.card.name == self.chosen), None)

    def read(self, models: tuple[Listed, ...], broken: tuple[str, ...]) -> Models:
        """The cards were read."""
        return replace(self, listed=models, broken=broken)

    def searched(self, text: str) -> Models:
        """Words were typed into the search."""
        return replace(self, search=text)

    def chose(self, name: str, needs: Needs) -> Models:
        """Another model is chosen, or what it needs was looked up anew."""
        said = self.said if name == self.chosen else NOTHING
        return replace(self, chosen=name, needs=needs, said=said)

    def opened(self, is_open: bool) -> Models:
        """Details are wanted, or not any more."""
        return replace(self, is_open=is_open)

    def asked_for_download(self) -> Models:
        """The user pressed Get."""
        return replace(self, getting=self.chosen, got=None, is_stopping=False, said=NOTHING)

    def told(self, fraction: float) -> Models:
        """The download told how far it is."""
        return replace(self, got=fraction)

    def stopping(self) -> Models:
        """The user cancels the download."""
        return replace(self, is_stopping=True)

    def got_all(self) -> Models:
        """The download is complete."""
        return self._not_getting(Line(_("The model is here now."), "done"))

    def got_nothing(self, message: str = "") -> Models:
        """The download failed; without a message it was cancelled."""
        return self._not_getting(Line(message, "error") if message else Line(_("Download cancelled.")))

    def view(self) -> ModelsView:
        """Everything visible at this moment."""
        items = tuple(self._item(model) for model in self.listed)
        model = self.model
        return ModelsView(
            items=items,
            chosen=self.chosen,
            search=self._search_line(sum(item.is_shown for item in items)),
            broken=Line("\n".join(self.broken), "warning") if self.broken else NOTHING,
            facts=facts_of(model, self.needs) if model else "",
            more=self._more(model),
            details=details_of(model, self.needs) if model and self.is_open else "",
            get=self._get(model),
            get_cancel=Control(
                _("Cancel"),
                enabled=not self.is_stopping,
                tool_tip=_("Already being cancelled.") if self.is_stopping else _("Stops the download."),
                visible=bool(self.getting),
            ),
            get_progress=self._progress(),
            get_line=self._get_line(),
        )

    def _not_getting(self, said: Line) -> Models:
        return replace(self, getting="", got=None, is_stopping=False, said=said)

    def _item(self, model: Listed) -> ModelItem:
        card = model.card
        is_shown = all(word in haystack_of(card) for word in self.search.casefold().split())
        # Escaped, since a tool tip that looks like markup is taken for it; as markup it wraps.
        return ModelItem(card.name, card.title, f"<qt>{escape(card.description)}</qt>", is_shown)

    def _search_line(self, count: int) -> Line:
        if not self.search.strip():
            return NOTHING if self.listed else Line(_("There is no model."), "warning")
        if not count:
            return Line(_("No model matches. Search for an organ, a modality or a segment."))
        return Line(_("{count} of {total} models").format(count=count, total=len(self.listed)))

    def _more(self, model: Listed | None) -> Control:
        if model is None:
            return Control(_("More"), enabled=False, tool_tip=_("Choose a model first."))
        tip = _("What the model is for, how well it was measured, its terms and its limits.")
        return Control(_("Less") if self.is_open else _("More"), tool_tip=tip)

    def _get(self, model: Listed | None) -> Control:
        size = size_in_words(self.needs.download_bytes)
        visible = model is not None and bool(self.needs.download_bytes) and self.getting != self.chosen
        if self.getting:
            return Control(
                _("Get {size}").format(size=size), enabled=False, visible=visible,
                tool_tip=_("Another model is being downloaded."),
            )  # fmt: skip
        tip = _("Downloads the model now; Apply would do so too. It stays on this machine.")
        return Control(_("Get {size}").format(size=size), visible=visible, tool_tip=tip)

    def _progress(self) -> int | None:
        if not self.getting:
            return None
        return -1 if self.got is None or self.is_stopping else round(100 * self.got)

    def _get_line(self) -> Line:
        if self.getting:
            title = next((m.card.title for m in self.listed if m.card.name == self.getting), self.getting)
            return Line(_("Downloading {title}").format(title=title), "busy")
        if self.needs.lost:
            text = _("A weights file is missing; put it where the card {names} says.")
            return Line(text.format(names=", ".join(self.needs.lost)), "warning")
        return self.said


def haystack_of(card: ModelCard) -> str:
    """All that a search looks into, in lower case."""
    inputs = [text for spec in card.inputs for text in (spec.modality, spec.description)]
    texts = [card.name, card.title, *card.anatomy, *inputs, *(segment.name for segment in card.segments)]
    return "\n".join(texts).casefold()


def facts_of(model: Listed, needs: Needs) -> str:
    """Two lines on a model: modality and what it finds; terms, accuracy, time and download."""
    card = model.card
    terms = _("license {names}").format(names=", ".join(model.licenses))
    first = [modalities_of(card), listed([segment.name for segment in card.segments], 4)]
    second = [terms, _accuracy_in_short(card)]
    if needs.took_s is not None:
        second.append(_("about {time} here").format(time=time_in_words(needs.took_s)))
    if needs.download_bytes:
        second.append(_("{size} to download once").format(size=size_in_words(needs.download_bytes)))
    return "\n".join(" · ".join(part for part in parts if part) for parts in (first, second))


def details_of(model: Listed, needs: Needs) -> str:
    """The whole card as HTML; nothing of a card is taken for markup."""
    card = model.card
    rows = [
        (_("Task"), [_("Segmentation")]),
        (_("Organs"), [first_upper(", ".join(card.anatomy))]),
        (_("Images"), [f"{spec.modality}: {spec.description}" for spec in card.inputs]),
        (_("Finds"), [listed([segment.name for segment in card.segments], MAX_SEGMENTS_LISTED)]),
        (_("Intended use"), [card.intended_use]),
        (_("Limits"), list(card.limits)),
        (_("Measured"), [_performance_line(figure) for figure in card.performance] or [_("no figure in the card")]),
        (_("Time here"), [_time_line(needs)]),
        (_("Size"), [_size_line(model, needs)]),
        (_("License"), [_license_line(part) for part in model.parts]),
        (_("Citation"), list(card.citation)),
        (_("Version"), [f"{card.name} {card.version}"]),
    ]
    table = "".join(_row(title, lines) for title, lines in rows if any(lines))
    return f"<p><b>{escape(card.title)}</b><br>{escape(card.description)}</p><table>{table}</table>"


def modalities_of(card: ModelCard) -> str:
    """Such as ``"MR"`` or ``"MR/CT"``."""
    return "/".join(dict.fromkeys(spec.modality for spec in card.inputs))


def _accuracy_in_short(card: ModelCard) -> str:
    if not card.performance:
        return _("accuracy not measured")
    measure = card.performance[0].measure
    values = [figure.value for figure in card.performance if figure.measure == measure]
    low, high = (f"{value:g}" for value in (min(values), max(values)))
    text = _("{measure} {low}") if low == high else _("{measure} {low} to {high}")
    return text.format(measure=measure, low=low, high=high)


def _performance_line(figure: Performance) -> str:
    what = " ".join(part for part in (figure.measure, f"{figure.value:g}") if part)
    of = _("{what} for {segment}").format(what=what, segment=figure.segment) if figure.segment else what
    line = _("{what}, on {data}").format(what=of, data=figure.data)
    return f"{line} ({figure.source})" if figure.source else line


def _time_line(needs: Needs) -> str:
    if needs.took_s is None:
        return _("not known before the first run on this machine")
    return _("about {time} in the last run").format(time=time_in_words(needs.took_s))


def _size_line(model: Listed, needs: Needs) -> str:
    weights = {stage.weights.sha256: stage.weights for part in model.parts for stage in part.network_stages}
    size = size_in_words(sum(item.size_bytes for item in weights.values()))
    if needs.download_bytes:
        return _("{size}; {download} to download").format(size=size, download=size_in_words(needs.download_bytes))
    return _("{size}, on this machine").format(size=size)


def _license_line(part: ModelCard) -> str:
    text = f"{part.title}: {part.license.expression} ({part.license.covers})"
    return f"{text} {part.license.url}".strip()


def _row(title: str, lines: list[str]) -> str:
    cells = "<br>".join(_with_link(line) for line in lines)
    return f'<tr><td style="padding-right: 8px"><b>{escape(title)}</b></td><td>{cells}</td></tr>'


def _with_link(line: str) -> str:
    """The line escaped; a last word that is an https address can be clicked on."""
    text, _space, last = line.rpartition(" ")
    if not last.startswith("https://"):
        return escape(line)
    return f'{escape(text)} <a href="{escape(last)}">{escape(last)}</a>'
