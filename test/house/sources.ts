/**
 * The repository as the house rules see it: its text files, and its TypeScript files parsed with
 * what they import. Syntax only, so that a rule costs milliseconds.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, extname, join, posix, relative } from 'node:path';
import ts from 'typescript';
import { root } from '../support/root.js';

/** From the ground up: a file imports from its own floor and from those before it. */
export const floors = ['encap', 'tunnel', 'routes', 'src'] as const;
export type Floor = (typeof floors)[number];

export interface Import {
  /** As written. */
  readonly specifier: string;
  /** The file of this repository that it means; undefined for packages. */
  readonly file: string | undefined;
  /** Gone after compilation. */
  readonly typeOnly: boolean;
}

export interface SourceFile {
  /** From the root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly tree: ts.SourceFile;
  readonly imports: readonly Import[];
}

const skippedFolders = new Set(['node_modules', 'dist', '.git', '.tap', 'build', 'prebuilds']);

/** Every file below a folder, from the root, sorted; the repository's own when none is given. */
export function filesBelow(folder = ''): string[] {
  const found: string[] = [];
  const start = join(root, folder);
  if (!existsSync(start)) return found;
  for (const entry of readdirSync(start, { withFileTypes: true })) {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!skippedFolders.has(entry.name)) found.push(...filesBelow(path));
    } else if (entry.isFile()) {
      found.push(path);
    }
  }
  return found.sort();
}

export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** Files made of text that people wrote: what rules about words look at. */
export function writtenFiles(): string[] {
  const binary = new Set(['.node', '.pcap', '.png', '.tgz', '.log']);
  return filesBelow().filter((path) => !binary.has(extname(path)));
}

export function floorOf(path: string): Floor | undefined {
  return floors.find((floor) => path.startsWith(`${floor}/`));
}

let parsed: readonly SourceFile[] | undefined;

/** Every TypeScript file of the product and of the tests. */
export function sourceFiles(): readonly SourceFile[] {
  parsed ??= [...floors, 'test']
    .flatMap((folder) => filesBelow(folder))
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
    .map((path) => {
      const text = readText(path);
      const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true);
      return { path, text, tree, imports: importsOf(path, tree) };
    });
  return parsed;
}

export function productFiles(): readonly SourceFile[] {
  return sourceFiles().filter((file) => floorOf(file.path) !== undefined);
}

export function testFiles(): readonly SourceFile[] {
  return sourceFiles().filter((file) => file.path.startsWith('test/'));
}

/** Calls the visitor for every node below, parents first. */
export function visit(node: ts.Node, visitor: (node: ts.Node) => void): void {
  visitor(node);
  node.forEachChild((child) => visit(child, visitor));
}

/** `path:line` of a node, for messages. */
export function place(file: SourceFile, node: ts.Node): string {
  const { line } = file.tree.getLineAndCharacterOfPosition(node.getStart(file.tree));
  return `${file.path}:${line + 1}`;
}

/** The comments of a file, with the line each begins on. */
export function comments(file: SourceFile): { readonly text: string; readonly line: number }[] {
  const found = new Map<number, string>();
  const collect = (node: ts.Node): void => {
    const ranges = [
      ...(ts.getLeadingCommentRanges(file.text, node.getFullStart()) ?? []),
      ...(ts.getTrailingCommentRanges(file.text, node.getEnd()) ?? []),
    ];
    for (const range of ranges) found.set(range.pos, file.text.slice(range.pos, range.end));
    for (const child of node.getChildren(file.tree)) collect(child);
  };
  collect(file.tree);
  return [...found].map(([position, text]) => ({
    text,
    line: file.tree.getLineAndCharacterOfPosition(position).line + 1,
  }));
}

function importsOf(path: string, tree: ts.SourceFile): Import[] {
  const imports: Import[] = [];
  const add = (specifier: ts.Node | undefined, typeOnly: boolean): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return;
    const file = resolve(path, specifier.text);
    imports.push({ specifier: specifier.text, file, typeOnly });
  };
  visit(tree, (node) => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, onlyTypes(node));
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
      add(node.argument.literal, true);
    else if (ts.isCallExpression(node)) {
      const callee = node.expression;
      const loads =
        callee.kind === ts.SyntaxKind.ImportKeyword ||
        (ts.isIdentifier(callee) && callee.text === 'require');
      if (loads) add(node.arguments[0], false);
    }
  });
  return imports;
}

function onlyTypes(node: ts.ImportDeclaration): boolean {
  const clause = node.importClause;
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const named = clause.namedBindings;
  return (
    clause.name === undefined &&
    named !== undefined &&
    ts.isNamedImports(named) &&
    named.elements.length > 0 &&
    named.elements.every((element) => element.isTypeOnly)
  );
}

function resolve(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  const target = relative(root, join(root, dirname(from), specifier));
  return target.replace(/\.js$/, '.ts');
}
