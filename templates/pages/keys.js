// One key for each thing to do: whatever carries data-key is clicked, or focused to be chosen.

const TYPED = new Set(["INPUT", "SELECT", "TEXTAREA"]);

// In a list of rows, j and k go from one to the next.
function moved(step) {
  const rows = [...document.querySelectorAll("[data-row]")];
  if (!rows.length) return false;
  const at = rows.indexOf(document.activeElement);
  rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + step))].focus();
  return true;
}

document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (event.key === "Escape" && TYPED.has(target.tagName)) {
    target.blur();
    return;
  }
  const typing = TYPED.has(target.tagName) && target.type !== "checkbox";
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const found = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!found) {
    if (event.key === "j" && moved(1)) event.preventDefault();
    if (event.key === "k" && moved(-1)) event.preventDefault();
    return;
  }
  // A key that is held down decides once: what comes next is looked at first.
  if (event.repeat && found.tagName === "BUTTON") return;
  event.preventDefault();
  if (found.tagName === "SELECT" || found.tagName === "TEXTAREA") found.focus();
  else found.click();
});

// What was sent is not sent once more while its answer is on the way.
let sent = null;
document.addEventListener("submit", (event) => {
  if (event.target === sent) event.preventDefault();
  sent = event.target;
});
window.addEventListener("pageshow", () => {
  sent = null;
});
