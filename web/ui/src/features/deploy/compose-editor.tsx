import {
  acceptCompletion,
  autocompletion,
  type Completion,
  type CompletionContext,
  type CompletionResult,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  completionStatus,
  startCompletion,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import {
  bracketMatching,
  HighlightStyle,
  indentOnInput,
  indentUnit,
  syntaxHighlighting,
  syntaxTree,
} from "@codemirror/language";
import { type Diagnostic, lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { search, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, Prec } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  hoverTooltip,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "react";
import { language } from "@/lib/i18n";
import { serverWords } from "@/lib/sentences";
import { indentBelow, pathOfLine, placeAt } from "./compose-place";
import { describe, keysAt, type Schema, type Suggestion, valuesAt } from "./compose-schema";
import { type Marked, rangeOf } from "./findings";

export interface ComposeEditorProps {
  label: string;
  value: string;
  schema: Schema | null;
  /** What was found in exactly this text. */
  marks: readonly Marked[];
  /** A line to go to; a new object goes there again. */
  goTo: { line: number } | null;
  /** What is said of YAML that cannot be read. */
  brokenYaml: string;
  onChange: (text: string) => void;
}

/**
 * The editor of Compose files. It stands in a shadow root: there its style sheets are adopted, which the page's
 * Content-Security-Policy does not concern, where in the page itself they would be style elements, which it forbids.
 */
export default function ComposeEditor(props: ComposeEditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const newest = useRef(props);
  newest.current = props;
  const onTheirWay = useRef<string[]>([]);
  const { value, marks, goTo, label } = props;

  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const root = element.shadowRoot ?? element.attachShadow({ mode: "open" });
    const made = makeView(root, newest, (text) => {
      onTheirWay.current.push(text);
      newest.current.onChange(text);
    });
    view.current = made;
    element.addEventListener("keydown", keepLetters);
    return () => {
      element.removeEventListener("keydown", keepLetters);
      made.destroy();
      view.current = null;
    };
  }, []);

  useEffect(() => {
    const editor = view.current;
    // What was typed comes back a moment later, when more has been typed: that takes nothing back.
    const own = onTheirWay.current.lastIndexOf(value);
    if (own >= 0) onTheirWay.current.splice(0, own + 1);
    if (own >= 0 || editor === null || editor.state.doc.toString() === value) return;
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } });
  }, [value]);

  // What was found is about one text: it goes as soon as that changes.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the text is marked anew when either changes
  useEffect(() => {
    const editor = view.current;
    if (editor !== null)
      editor.dispatch(setDiagnostics(editor.state, diagnosticsOf(editor.state, newest.current)));
  }, [marks, value]);

  useEffect(() => {
    const editor = view.current;
    if (editor === null || goTo === null || goTo.line > editor.state.doc.lines) return;
    const { from } = editor.state.doc.line(Math.max(1, goTo.line));
    editor.dispatch({
      selection: { anchor: from },
      effects: EditorView.scrollIntoView(from, { y: "center" }),
    });
    editor.focus();
  }, [goTo]);

  useEffect(() => {
    view.current?.dispatch({
      effects: LABEL.reconfigure(EditorView.contentAttributes.of({ "aria-label": label })),
    });
  }, [label]);

  return <div ref={host} data-editor className="h-full min-h-80 overflow-hidden rounded-b-lg" />;
}

const LABEL = new Compartment();

/** The editor's own words. */
const ITALIAN: Record<string, string> = {
  Find: "Cerca",
  Replace: "Sostituisci",
  next: "successivo",
  previous: "precedente",
  all: "tutti",
  "match case": "maiuscole e minuscole",
  regexp: "espressione regolare",
  "by word": "parole intere",
  replace: "sostituisci",
  "replace all": "sostituisci tutti",
  close: "chiudi",
  "current match": "risultato attuale",
  "on line": "alla riga",
  Diagnostics: "Segnalazioni",
  "No diagnostics": "Nessuna segnalazione",
  Completions: "Suggerimenti",
};

/** Letters are typed here and are no shortcuts of the page; what comes with Ctrl may be. */
function keepLetters(event: KeyboardEvent): void {
  if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
}

function makeView(
  root: ShadowRoot,
  props: { current: ComposeEditorProps },
  onText: (text: string) => void,
): EditorView {
  const view = new EditorView({
    root,
    state: EditorState.create({
      doc: props.current.value,
      extensions: [
        lineNumbers(),
        highlightActiveLineGutter(),
        highlightActiveLine(),
        lintGutter(),
        history(),
        drawSelection(),
        indentOnInput(),
        indentUnit.of("  "),
        EditorState.tabSize.of(2),
        bracketMatching(),
        closeBrackets(),
        search({ top: true }),
        EditorState.phrases.of(language() === "it" ? ITALIAN : {}),
        yaml(),
        syntaxHighlighting(HIGHLIGHT),
        THEME,
        autocompletion({
          override: [(context) => complete(context, props.current.schema)],
          icons: false,
          // Within its delay Tab would lead out of the editor.
          interactionDelay: 0,
        }),
        hoverTooltip((editor, position) => hint(editor, position, props.current.schema)),
        LABEL.of(EditorView.contentAttributes.of({ "aria-label": props.current.label })),
        EditorView.contentAttributes.of({
          spellcheck: "false",
          autocorrect: "off",
          autocapitalize: "off",
          // What can be edited can be focused; it is said for those who look for how to scroll.
          tabindex: "0",
        }),
        // Tab takes a suggestion and otherwise leads on, as everywhere in the page.
        keymap.of([{ key: "Tab", run: acceptCompletion }]),
        Prec.high(keymap.of([{ key: "Enter", run: openMapping }])),
        keymap.of([
          ...closeBracketsKeymap,
          ...defaultKeymap,
          ...searchKeymap,
          ...historyKeymap,
          ...completionKeymap,
          ...lintKeymap,
        ]),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) onText(update.state.doc.toString());
        }),
      ],
    }),
    parent: root,
  });
  return view;
}

/** Behind a key without a value, a line goes on with what is in it. */
function openMapping(view: EditorView): boolean {
  const { main } = view.state.selection;
  const line = view.state.doc.lineAt(main.head);
  const indent = indentBelow(line.text);
  if (!main.empty || main.head !== line.to || indent === null || completionStatus(view.state) === "active")
    return false;
  const insert = `\n${" ".repeat(indent)}`;
  view.dispatch(view.state.replaceSelection(insert), { scrollIntoView: true, userEvent: "input" });
  return true;
}

/** What the server found, or while that is not known, where the text is no YAML. */
function diagnosticsOf(state: EditorState, { marks, brokenYaml, value }: ComposeEditorProps): Diagnostic[] {
  const text = state.doc.toString();
  if (text === value && marks.length > 0) {
    return marks.map((mark) => ({ ...rangeOf(text, mark), severity: mark.level, message: mark.words }));
  }
  const found: Diagnostic[] = [];
  syntaxTree(state).iterate({
    enter: (node) => {
      if (!node.type.isError || found.length >= BROKEN_MAX) return;
      const line = state.doc.lineAt(node.from);
      found.push({ from: node.from, to: Math.max(node.to, line.to), severity: "error", message: brokenYaml });
    },
  });
  return found;
}

/** After the first error the rest of a file is guessed. */
const BROKEN_MAX = 1;

function complete(context: CompletionContext, schema: Schema | null): CompletionResult | null {
  if (schema === null) return null;
  const place = placeAt(context.state.doc.toString(), context.pos);
  if (place === null) return null;
  if (place.written === "" && !context.explicit && place.kind === "key") return null;
  const found =
    place.kind === "key" ? keysAt(schema, place.path, place.siblings) : valuesAt(schema, place.path);
  if (found.length === 0) return null;
  return {
    from: place.from,
    options: found.map((each) => completionOf(each, place.column)),
    validFor: /^[\w.$%-]*$/,
  };
}

function completionOf(each: Suggestion, column: number): Completion {
  const below = `\n${" ".repeat(column + 2)}`;
  const rest = { scalar: ": ", mapping: `:${below}`, list: `:${below}- `, value: "" }[each.form];
  return {
    label: each.label,
    detail: each.detail,
    boost: each.isRequired ? 10 : 0,
    ...(each.description === "" ? {} : { info: serverWords(each.description) }),
    apply: (view, _, from, to) => {
      const insert = each.label + rest;
      view.dispatch({ changes: { from, to, insert }, selection: { anchor: from + insert.length } });
      if (each.form !== "value") startCompletion(view);
    },
  };
}

function hint(editor: EditorView, position: number, schema: Schema | null) {
  if (schema === null) return null;
  const line = editor.state.doc.lineAt(position);
  const colon = line.text.indexOf(":");
  if (colon === -1 || position > line.from + colon) return null;
  const said = describe(schema, pathOfLine(editor.state.doc.toString(), line.number));
  if (said === null) return null;
  return {
    pos: line.from + line.text.length - line.text.trimStart().length,
    end: line.from + colon,
    above: true,
    create: () => {
      const dom = document.createElement("div");
      dom.className = "cm-said";
      dom.textContent = said;
      return { dom };
    },
  };
}

const HIGHLIGHT = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--accent)" },
  { tag: [tags.string, tags.special(tags.string), tags.attributeValue], color: "var(--ok)" },
  { tag: [tags.comment, tags.lineComment], color: "var(--muted)", fontStyle: "italic" },
  { tag: [tags.keyword, tags.labelName, tags.typeName, tags.meta], color: "var(--warn)" },
  { tag: [tags.punctuation, tags.separator], color: "var(--muted)" },
]);

const THEME = EditorView.theme({
  "&": {
    height: "100%",
    color: "var(--text)",
    backgroundColor: "var(--surface)",
    fontSize: "0.8125rem",
  },
  "&.cm-focused": { outline: "none" },
  // An outline would lie beneath the line numbers.
  "&.cm-focused::after": {
    content: '""',
    position: "absolute",
    inset: "0",
    zIndex: "300",
    border: "2px solid var(--accent)",
    borderRadius: "0 0 8px 8px",
    pointerEvents: "none",
  },
  ".cm-scroller": {
    fontFamily: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace',
    lineHeight: "1.5",
    overflow: "auto",
  },
  ".cm-content": { caretColor: "var(--text)", padding: "8px 0" },
  ".cm-cursor, .cm-dropCursor": { borderLeftColor: "var(--text)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    background: "var(--accent-soft)",
  },
  ".cm-gutters": {
    backgroundColor: "var(--surface)",
    color: "var(--muted)",
    borderRight: "1px solid var(--line)",
  },
  ".cm-activeLine, .cm-activeLineGutter": {
    backgroundColor: "color-mix(in oklab, var(--hover) 60%, transparent)",
  },
  ".cm-tooltip": {
    backgroundColor: "var(--raised)",
    color: "var(--text)",
    border: "1px solid var(--line)",
    borderRadius: "8px",
    boxShadow: "0 8px 28px -6px var(--shadow)",
    fontSize: "0.8125rem",
    maxWidth: "28rem",
    overflow: "hidden",
  },
  ".cm-said": { padding: "6px 10px" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "inherit", maxHeight: "16rem" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "3px 10px" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": {
    background: "var(--accent)",
    color: "var(--on-accent)",
  },
  ".cm-tooltip.cm-completionInfo": { padding: "6px 10px" },
  ".cm-completionDetail": { color: "inherit", opacity: "0.8", fontStyle: "normal", marginLeft: "0.75em" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "600" },
  ".cm-diagnostic": { padding: "6px 10px", borderLeft: "3px solid var(--bad-mark)", whiteSpace: "pre-line" },
  ".cm-diagnostic-warning": { borderLeftColor: "var(--warn-mark)" },
  ".cm-lintRange-error": {
    backgroundImage: "none",
    textDecoration: "underline wavy var(--bad-mark) 1px",
    textUnderlineOffset: "3px",
  },
  ".cm-lintRange-warning": {
    backgroundImage: "none",
    textDecoration: "underline wavy var(--warn-mark) 1px",
    textUnderlineOffset: "3px",
  },
  ".cm-lint-marker": { width: "0.7em", height: "0.7em", marginTop: "0.4em", content: "none" },
  ".cm-lint-marker-error": { content: "none", background: "var(--bad-mark)", borderRadius: "1px" },
  ".cm-lint-marker-warning": { content: "none", background: "var(--warn-mark)", transform: "rotate(45deg)" },
  ".cm-panel.cm-search": { padding: "6px 8px" },
  ".cm-panel.cm-search label": { fontSize: "inherit" },
  ".cm-panel.cm-search [name=close]": { color: "var(--muted)" },
  ".cm-button, .cm-textfield": {
    backgroundImage: "none",
    backgroundColor: "var(--surface)",
    color: "var(--text)",
    border: "1px solid var(--line-strong)",
    borderRadius: "6px",
    fontSize: "inherit",
    padding: "2px 8px",
  },
  ".cm-panels": { backgroundColor: "var(--raised)", color: "var(--text)" },
  ".cm-panels-top": { borderBottom: "1px solid var(--line)" },
  ".cm-searchMatch": { backgroundColor: "var(--warn-soft)" },
  ".cm-searchMatch-selected": { outline: "1px solid var(--warn-mark)" },
  ".cm-matchingBracket": { backgroundColor: "var(--accent-soft)" },
});
