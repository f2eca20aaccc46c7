// Draws the table that table.py has written, and tells the page what was clicked. Links keep their address, so that they
// open in a new tab as usual.
export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".runs");
  if (root.written !== data.html) {
    const focused = root.contains(document.activeElement) && document.activeElement.id;
    root.innerHTML = root.written = data.html;
    const again = focused && document.getElementById(focused);
    // "Next" is disabled on the last part: the focus stays among the buttons.
    if (again) (again.disabled ? again.closest("nav")?.querySelector("button:enabled") : again)?.focus();
  }
  root.onclick = (event) => {
    const hit = event.target.closest("[data-ask]");
    if (!hit || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    setTriggerValue("asked", { what: hit.dataset.ask, value: hit.dataset.value });
  };
  root.onchange = () => {
    const picked = [...root.querySelectorAll("input:checked")].map((box) => box.value);
    setTriggerValue("asked", { what: "pick", value: picked.join(",") });
  };
}
