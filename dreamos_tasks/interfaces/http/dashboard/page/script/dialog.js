// A dialog: modal, closed by Escape or (while nothing is written in it) by a press beside it, and the focus goes back to where it was.
import { html, useEffect, useRef } from "./view.js";

export function Dialog({ title, onClose, onSubmit, actions, children }) {
  const place = useRef(null);
  const isTouched = useRef(false); // a press beside it must not throw away what was written
  useEffect(() => {
    const before = document.activeElement;
    place.current.showModal();
    place.current.querySelector("[data-first]")?.focus();
    return () => before?.focus?.({ preventScroll: true });
  }, []);
  const body = html`<div class="body">${children}</div>${actions && html`<footer>${actions}</footer>`}`;
  return html`<dialog ref=${place} aria-label=${title} onClose=${onClose} onCancel=${onClose}
    onInput=${() => { isTouched.current = true; }} onPointerDown=${(event) => { if (event.target === place.current && !isTouched.current) onClose(); }}>
    <header><h1>${title}</h1><button type="button" class="plain small" onClick=${onClose} aria-label="Close">Esc</button></header>
    ${onSubmit ? html`<form class="form" onSubmit=${(event) => { event.preventDefault(); onSubmit(event); }}>${body}</form>` : body}
  </dialog>`;
}
