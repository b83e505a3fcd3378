// One key for each thing to do: whatever carries data-key is clicked, or focused to be chosen.

const TYPED = new Set(["INPUT", "SELECT", "TEXTAREA"]);

document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (event.key === "Escape" && TYPED.has(target.tagName)) {
    target.blur();
    return;
  }
  const typing = TYPED.has(target.tagName) && target.type !== "checkbox";
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const found = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!found) return;
  event.preventDefault();
  if (found.tagName === "SELECT" || found.tagName === "TEXTAREA") found.focus();
  else found.click();
});
