/**
 * Have a library that writes style elements and style attributes, which the page's policy does not allow, do it by
 * means that the policy does not concern: adopted style sheets, and the DOM's own interface to styles.
 *
 * xterm makes its elements with the page's document and offers no seam for all of them, so the document itself makes
 * them otherwise until `letGo` is called. Nothing else on the page notices: it sets styles through the DOM anyway.
 */
export function adoptStyles(page: Document): { letGo: () => void } {
  const sheets: CSSStyleSheet[] = [];
  const make = page.createElement;
  const adopted = (): HTMLElement => {
    const sheet = new CSSStyleSheet();
    sheets.push(sheet);
    page.adoptedStyleSheets = [...page.adoptedStyleSheets, sheet];
    const stand = make.call(page, "span");
    stand.hidden = true;
    Object.defineProperty(stand, "textContent", { set: (text: string) => sheet.replaceSync(text) });
    return stand;
  };
  const quiet = (name: string, options?: ElementCreationOptions): HTMLElement => {
    if (name === "style") return adopted();
    const element = make.call(page, name, options);
    if (name === "span") {
      const setAttribute = element.setAttribute.bind(element);
      element.setAttribute = (key: string, value: string) => {
        if (key === "style") element.style.cssText = value;
        else setAttribute(key, value);
      };
    }
    return element;
  };
  page.createElement = quiet as typeof page.createElement;
  return {
    letGo: () => {
      if (page.createElement === (quiet as typeof page.createElement)) page.createElement = make;
      page.adoptedStyleSheets = page.adoptedStyleSheets.filter((sheet) => !sheets.includes(sheet));
    },
  };
}
