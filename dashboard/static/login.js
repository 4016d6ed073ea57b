// What somebody was on their way to may end in a place on the page, after #. A browser keeps that through the detour to
// the login, but sends it to nobody: put it into the form.

const to = document.querySelector("input[name=to]");
if (location.hash && !to.value.includes("#")) to.value += location.hash;
