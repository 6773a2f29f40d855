/**
 * The page's document for a library that writes style elements, which the page's policy does not allow: what they
 * would hold goes into style sheets that are adopted, and styles in attributes are set through the DOM's interface.
 */
export function quietDocument(page: Document): { document: Document; letGo: () => void } {
  const sheets: CSSStyleSheet[] = [];
  const adopt = (): HTMLElement => {
    const sheet = new CSSStyleSheet();
    sheets.push(sheet);
    page.adoptedStyleSheets = [...page.adoptedStyleSheets, sheet];
    const stand = page.createElement("span");
    stand.hidden = true;
    Object.defineProperty(stand, "textContent", { set: (text: string) => sheet.replaceSync(text) });
    return stand;
  };
  const create = (name: string): HTMLElement => {
    if (name.toLowerCase() === "style") return adopt();
    const element = page.createElement(name);
    const setAttribute = element.setAttribute.bind(element);
    element.setAttribute = (key: string, value: string) => {
      if (key === "style") element.style.cssText = value;
      else setAttribute(key, value);
    };
    return element;
  };
  const document = new Proxy(page, {
    get(target, key) {
      if (key === "createElement") return create;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
    set: (target, key, value) => Reflect.set(target, key, value, target),
  });
  const letGo = () => {
    page.adoptedStyleSheets = page.adoptedStyleSheets.filter((sheet) => !sheets.includes(sheet));
  };
  return { document, letGo };
}
