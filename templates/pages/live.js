// While something is being worked on, the page is asked for again and its middle put in place,
// so that a reader keeps their place and the key that is focused.

const EVERY_MS = 3000;

// As the service last gave it: what a reader has folded out since stays so.
let shown = document.querySelector("main").innerHTML;

const place = (link) => (link?.hasAttribute("href") ? link.getAttribute("href") : null);

async function renew() {
  // The service does not count this as somebody being here; see connector/desk/login.py.
  const answer = await fetch(location.href, { headers: { "X-Unattended": "1" } });
  if (answer.redirected) {
    location.reload(); // logged out meanwhile
    return;
  }
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [now, then] = [document.querySelector("main"), page.querySelector("main")];
  if (then.innerHTML !== shown) {
    shown = then.innerHTML;
    const focused = place(document.activeElement);
    now.replaceChildren(...then.childNodes);
    if (focused !== null) now.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
  }
  now.toggleAttribute("data-live", then.hasAttribute("data-live"));
}

// One request at a time: no older answer comes in place of a newer one.
async function follow() {
  while (document.querySelector("main[data-live]")) {
    await new Promise((goOn) => setTimeout(goOn, EVERY_MS));
    if (document.hidden) continue;
    try {
      await renew();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // the service is away, and may come back
    }
  }
}

follow();
