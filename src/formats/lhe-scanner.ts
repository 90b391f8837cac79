/**
 * Finds the events of a Les Houches Event file (Alwall et al., hep-ph/0609017; version 3:
 * Andersen et al., arXiv:1405.1067) by its tags, byte by byte only at `<`.
 *
 *   outside --<header>--> header --</header>--> outside     what stands in a header, init block,
 *           --<init>----> init   --</init>----> outside     comment or CDATA is never an event
 *           --<event>---> event  --</event>---> outside
 *           --</LesHouchesEvents>--> ended                  comments may stand in any of them
 *
 * `<event` counts only at a tag boundary (white space or `>` follows), so `<eventgroup>` is none.
 * An event is [offset of `<`, offset behind `</event>`): text behind the closing tag belongs to no
 * event. The header ends where the first event, or the first group of events, begins.
 */
import { BoundsList, type ByteScanner, TextDefect } from "./byte-scan.ts";

const LESS_THAN = 0x3c;
/** Longest tag name that is looked for, `</LesHouchesEvents`, and one byte behind it. */
const TAG_BYTES_MAX = 32;

type Place = "outside" | "header" | "init" | "event" | "closing" | "ended";

export class LheScanner implements ByteScanner {
  readonly bounds = new BoundsList();
  /** Offset where the header ends; -1: no event yet. */
  headerEnd = -1;
  /** [begin, end) of the init block with its tags; -1 where there is none. */
  initBegin = -1;
  initEnd = -1;
  /** Offset of `</LesHouchesEvents`; -1: the file has none. */
  footerBegin = -1;
  /** Offset of `<LesHouchesEvents`; -1: this is no LHE text. */
  rootBegin = -1;
  eventGroups = 0;
  /** Events with text between their closing tag and the next tag. */
  textBehind = 0;
  #place: Place = "outside";
  #eventBegin = 0;
  /** What ends the comment or CDATA it is in; "" outside of them. */
  #until = "";
  /** True from a closing tag to the next tag, while only white space has come. */
  #watchBehind = false;

  feed(chunk: Buffer, base: number, last: boolean): number {
    let at = 0;
    while (at < chunk.length) {
      if (this.#until !== "") {
        const end = chunk.indexOf(this.#until, at, "latin1");
        if (end < 0) return this.#rest(chunk, Math.max(at, chunk.length - 2), last);
        at = end + this.#until.length;
        this.#until = "";
        continue;
      }
      if (this.#place === "closing") {
        const end = chunk.indexOf(0x3e, at);
        if (end < 0) return this.#rest(chunk, chunk.length, last);
        this.#closeEvent(base + end + 1);
        at = end + 1;
        continue;
      }
      const tag = chunk.indexOf(LESS_THAN, at);
      if (this.#watchBehind) this.#watch(chunk, at, tag < 0 ? chunk.length : tag);
      if (tag < 0) return this.#rest(chunk, chunk.length, last);
      this.#watchBehind = false;
      if (!last && chunk.length - tag < TAG_BYTES_MAX) return tag;
      at = this.#tag(chunk, tag, base);
    }
    return this.#rest(chunk, at, last);
  }

  /** Deals with the tag at chunk[tag]; returns where to go on. */
  #tag(chunk: Buffer, tag: number, base: number): number {
    switch (chunk[tag + 1]) {
      case 0x21: // !
        if (startsWith(chunk, tag, "<!--")) this.#until = "-->";
        else if (startsWith(chunk, tag, "<![CDATA[")) this.#until = "]]>";
        return tag + 2;
      case 0x2f: // /
        this.#closingTag(chunk, tag, base);
        return tag + 2;
      case 0x65: // e
        if (isTag(chunk, tag, "<event")) this.#openEvent(base + tag);
        else if (isTag(chunk, tag, "<eventgroup")) this.#openGroup(base + tag);
        return tag + 2;
      case 0x68: // h
        if (this.#place === "outside" && isTag(chunk, tag, "<header")) this.#place = "header";
        return tag + 2;
      case 0x69: // i
        if (this.#place === "outside" && isTag(chunk, tag, "<init")) {
          this.#place = "init";
          this.initBegin = base + tag;
        }
        return tag + 2;
      case 0x4c: // L
        if (this.#place !== "header" && isTag(chunk, tag, "<LesHouchesEvents")) {
          this.#openRoot(base + tag);
        }
        return tag + 2;
      default:
        return tag + 1;
    }
  }

  #closingTag(chunk: Buffer, tag: number, base: number): void {
    if (this.#place === "event") {
      if (isTag(chunk, tag, "</event")) this.#place = "closing";
      else if (isTag(chunk, tag, "</LesHouchesEvents")) this.#failOpenEvent();
    } else if (this.#place === "header") {
      if (isTag(chunk, tag, "</header")) this.#place = "outside";
    } else if (this.#place === "init") {
      if (isTag(chunk, tag, "</init")) {
        this.#place = "outside";
        this.initEnd = base + tag + "</init>".length;
      }
    } else if (this.#place === "outside" && isTag(chunk, tag, "</LesHouchesEvents")) {
      this.#place = "ended";
      this.footerBegin = base + tag;
    }
  }

  #openRoot(offset: number): void {
    if (this.rootBegin >= 0) {
      throw new TextDefect(
        `holds a second LHE document from byte ${offset} on`,
        "its events belong to another header and init block",
        "give each document a file of its own",
      );
    }
    this.rootBegin = offset;
  }

  #openGroup(offset: number): void {
    if (this.#place !== "outside") return;
    this.eventGroups++;
    if (this.headerEnd < 0) this.headerEnd = offset;
  }

  #openEvent(offset: number): void {
    if (this.#place === "header" || this.#place === "init") return;
    if (this.#place === "event") this.#failOpenEvent();
    if (this.#place === "ended") {
      throw new TextDefect(
        `has an event at byte ${offset}, behind </LesHouchesEvents>`,
        "readers stop at the closing tag and would lose it",
        "write one document a file",
      );
    }
    if (this.headerEnd < 0) this.headerEnd = offset;
    this.#eventBegin = offset;
    this.#place = "event";
  }

  #closeEvent(end: number): void {
    this.bounds.push(this.#eventBegin, end);
    this.#place = "outside";
    this.#watchBehind = true;
  }

  #failOpenEvent(): never {
    throw new TextDefect(
      `has no </event> for event ${this.bounds.events} that begins at byte ${this.#eventBegin}`,
      "the file was cut off or two writers mixed their lines",
      "write it again",
    );
  }

  #watch(chunk: Buffer, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      if ((chunk[i] as number) > 0x20) {
        this.textBehind++;
        this.#watchBehind = false;
        return;
      }
    }
  }

  /** The end of a chunk; at the end of the text, the end must be one. */
  #rest(chunk: Buffer, consumed: number, last: boolean): number {
    if (!last) return consumed;
    if (this.#place === "event" || this.#place === "closing") this.#failOpenEvent();
    if (this.#until !== "" || this.#place === "header" || this.#place === "init") {
      throw new TextDefect(
        `ends inside ${this.#until === "" ? `its <${this.#place}> block` : "a comment"}`,
        "the file was cut off",
        "write it again",
      );
    }
    return chunk.length;
  }
}

function startsWith(chunk: Buffer, at: number, text: string): boolean {
  if (chunk.length - at < text.length) return false;
  for (let i = 1; i < text.length; i++) {
    if (chunk[at + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

/** `text` and then white space, `>` or the end of the text: a tag's whole name. */
function isTag(chunk: Buffer, at: number, text: string): boolean {
  if (!startsWith(chunk, at, text)) return false;
  const next = chunk[at + text.length];
  return next === undefined || next === 0x3e || next <= 0x20;
}
