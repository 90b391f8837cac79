/** Says in one line what is wrong where `npm ci` could not bring its own Node. */
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  console.error(
    `Node ${process.versions.node} can't run the sources (type stripping needs 22.18 or later). ` +
      "`npm ci` brings Node 24 by an install script of the package `node`; if scripts were off, run `npm rebuild node`.",
  );
  process.exit(1);
}
