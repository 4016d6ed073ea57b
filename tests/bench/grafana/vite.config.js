// Some of what Grafana's packages import are older than modules: there the default lies one step deeper.
const interop = {
  name: "interop",
  transform(code, id) {
    if (!id.includes("@grafana/ui/dist/esm")) return null;
    return code.replace(/^import (\w+) from '([^.'][^']*)';$/gm, "import $1_ from '$2';\nconst $1 = $1_?.default ?? $1_;");
  },
};

export default { base: "./", build: { target: "esnext", minify: false }, plugins: [interop] };
