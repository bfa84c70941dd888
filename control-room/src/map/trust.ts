// Leaflet writes two pieces of HTML when it is loaded, to find out which browser it is in; this page's rules forbid all
// HTML that a script writes (Trusted Types). These two are let through, and nothing else ever is.

const HARMLESS = new Set(["<svg/>", '<v:shape adj="1"/>']);

interface Factory {
  createPolicy: (name: string, rules: { createHTML: (html: string) => string }) => unknown;
}

(window as unknown as { trustedTypes?: Factory }).trustedTypes?.createPolicy("default", {
  createHTML: (html) => {
    if (HARMLESS.has(html)) return html;
    throw new TypeError("no script writes HTML here");
  },
});
