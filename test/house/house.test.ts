/**
 * The rules of the house. Each says what is wrong and where, so that whoever breaks one learns it
 * from the failure and not from a review.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import ts from 'typescript';
import { findingCodes } from '../../routes/diagnose/index.js';
import { root } from '../support/root.js';
import {
  type SourceFile,
  comments,
  floorOf,
  floors,
  place,
  productFiles,
  readText,
  sourceFiles,
  testFiles,
  visit,
  writtenFiles,
} from './sources.js';

/** Where execution begins: the command, the data plane, the reader of large files, lab packets. */
const entryPoints = [
  'src/cli/main.ts',
  'src/plane/main.ts',
  'src/config/reader-main.ts',
  'src/lab/traffic.ts',
];

/** Product files that no entry point reaches, each with why it is there all the same. */
const reachedOtherwise: Readonly<Record<string, string>> = {
  'tunnel/fake-kernel.ts': 'the in-memory side of the contract suite',
  'tunnel/guard/memory.ts': 'the guard that goes with it',
};

/** Files that are longer than the rule allows, each with why it is one thing. */
const longFiles: Readonly<Record<string, string>> = {};

/** A rule: every offence is one line, and there must be none. */
function rule(name: string, offences: () => readonly string[]): void {
  t.test(name, (t) => {
    t.same(offences(), []);
    t.end();
  });
}

rule('imports only go down: src → routes → tunnel → encap', () =>
  productFiles().flatMap((file) =>
    file.imports.flatMap(({ file: target }) => {
      if (target === undefined) return [];
      const own = floors.indexOf(floorOf(file.path)!);
      const other = floorOf(target);
      if (other === undefined) return [`${file.path} imports ${target}, which is not the product`];
      return floors.indexOf(other) > own ? [`${file.path} imports ${target}, a floor above`] : [];
    }),
  ),
);

rule('every relative import names a file that is there, with its .js ending', () =>
  sourceFiles().flatMap((file) =>
    file.imports.flatMap(({ file: target, specifier }) =>
      target === undefined || existsSync(join(root, target))
        ? []
        : [`${file.path} imports ${specifier}, which is not there`],
    ),
  ),
);

rule('no file imports itself over others', () => {
  const byPath = new Map(sourceFiles().map((file) => [file.path, file]));
  const state = new Map<string, 'open' | 'done'>();
  const offences: string[] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      offences.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
      return;
    }
    state.set(path, 'open');
    for (const { file } of byPath.get(path)?.imports ?? [])
      if (file !== undefined) walk(file, [...trail, path]);
    state.set(path, 'done');
  };
  for (const path of byPath.keys()) walk(path, []);
  return offences;
});

rule('encap is pure: no package, no clock, no chance, no input or output', () => {
  const impure = new Set([
    ...['process', 'console', 'globalThis', 'performance', 'crypto', 'fetch', 'Date', 'Intl'],
    ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'Buffer', 'require'],
  ]);
  return productFiles()
    .filter((file) => floorOf(file.path) === 'encap')
    .flatMap((file) => {
      const offences = file.imports
        .filter((one) => one.file === undefined)
        .map((one) => `${file.path} imports ${one.specifier}`);
      visit(file.tree, (node) => {
        if (ts.isIdentifier(node) && impure.has(node.text) && isGlobalUse(node))
          offences.push(`${place(file, node)} uses ${node.text}`);
        if (ts.isPropertyAccessExpression(node) && node.getText(file.tree) === 'Math.random')
          offences.push(`${place(file, node)} uses Math.random`);
      });
      return offences;
    });
});

rule('routes decides and compares; only hashing comes from Node', () =>
  productFiles()
    .filter((file) => floorOf(file.path) === 'routes')
    .flatMap((file) =>
      file.imports
        .filter((one) => one.file === undefined && one.specifier !== 'node:crypto')
        .map((one) => `${file.path} imports ${one.specifier}`),
    ),
);

rule('raw-socket is loaded in one place', () => {
  const users = productFiles().filter((file) =>
    file.imports.some((one) => one.specifier === 'raw-socket' && !one.typeOnly),
  );
  return users.length <= 1 ? [] : users.map((file) => `${file.path} loads raw-socket`);
});

rule('the client of etcd is loaded when a store is opened, and not before', () =>
  productFiles()
    .filter((file) => !file.path.startsWith('src/store/etcd/'))
    .flatMap((file) =>
      [...file.text.matchAll(/ from '(@grpc\/[^']*|[^']*\/etcd\/[^']*)'/g)].map(
        ([, specifier]) => `${file.path} loads ${specifier} with itself`,
      ),
    ),
);

rule('every product file is reached from an entry point', () => {
  const byPath = new Map(productFiles().map((file) => [file.path, file]));
  const reached = new Set<string>();
  const reach = (path: string): void => {
    if (reached.has(path)) return;
    reached.add(path);
    for (const { file } of byPath.get(path)?.imports ?? []) if (file !== undefined) reach(file);
  };
  for (const path of [...entryPoints, ...Object.keys(reachedOtherwise)]) reach(path);
  const gone = [...entryPoints, ...Object.keys(reachedOtherwise)]
    .filter((path) => !byPath.has(path))
    .map((path) => `${path} is listed in the test but not there`);
  const dead = [...byPath.keys()].filter((path) => !reached.has(path));
  return [...gone, ...dead.map((path) => `${path} is not reached`)];
});

rule('every file says at its top what it is for', () =>
  sourceFiles()
    .filter((file) => !/^(#![^\n]*\n)?(\/\*\*|\/\/)/.test(file.text))
    .map((file) => `${file.path} has no opening comment`),
);

rule('files of the product have at most 400 lines, of the tests 800', () =>
  // A test file costs a process, so there are fewer and longer ones.
  sourceFiles()
    .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    .filter(({ path, lines }) => lines > (path.startsWith('test/') ? 800 : 400))
    .filter(({ path }) => longFiles[path] === undefined)
    .map(({ path, lines }) => `${path} has ${lines} lines`),
);

rule('functions take at most four arguments', () => {
  const offences: string[] = [];
  for (const file of productFiles())
    visit(file.tree, (node) => {
      if (ts.isFunctionDeclaration(node) && node.parameters.length > 4)
        offences.push(`${place(file, node)} takes ${node.parameters.length} arguments`);
    });
  return offences;
});

rule('the type checker and the linter are switched off nowhere, except for a reason given', () => {
  const offences: string[] = [];
  for (const file of sourceFiles()) {
    visit(file.tree, (node) => {
      if (node.kind === ts.SyntaxKind.AnyKeyword) offences.push(`${place(file, node)} says any`);
    });
    for (const { text, line } of comments(file)) {
      if (/^\/[/*]\s*@ts-(ignore|nocheck|expect-error)/.test(text))
        offences.push(`${file.path}:${line} ${text}`);
      if (/eslint-disable(?!.*--\s+\S)/.test(text))
        offences.push(`${file.path}:${line} disables the linter without a reason after "--"`);
    }
  }
  return offences;
});

rule('nothing in the product is left for later or pretended', () => {
  const unfinished = /\b(TODO|FIXME|XXX|HACK|stubs?|stubbed|not (yet )?implemented)\b/i;
  return productFiles().flatMap((file) =>
    file.text
      .split('\n')
      .flatMap((line, i) =>
        unfinished.test(line) ? [`${file.path}:${i + 1} ${line.trim()}`] : [],
      ),
  );
});

rule('tests run: none is left out, chosen alone or put off', () => {
  const offences: string[] = [];
  for (const file of testFiles())
    visit(file.tree, (node) => {
      if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
        const { expression: object, name } = node.expression;
        const isTest = ts.isIdentifier(object) && /^(t|tt|test|tap)$/.test(object.text);
        if (isTest && ['only', 'skip', 'todo'].includes(name.text))
          offences.push(`${place(file, node)} calls ${object.getText(file.tree)}.${name.text}`);
      }
      if (ts.isPropertyAssignment(node) && ts.isIdentifier(node.name) && isInTestOptions(node)) {
        const value = node.initializer;
        const isFixed = value.kind === ts.SyntaxKind.TrueKeyword || ts.isStringLiteralLike(value);
        if (['only', 'todo'].includes(node.name.text) || (node.name.text === 'skip' && isFixed))
          offences.push(`${place(file, node)} has the option ${node.getText(file.tree)}`);
      }
    });
  return offences;
});

rule('the packages in package.json are those in use', () => {
  const manifest = JSON.parse(readText('package.json')) as Record<string, Record<string, string>>;
  const names = (kind: string): string[] => Object.keys(manifest[kind] ?? {});
  const runtime = [...names('dependencies'), ...names('optionalDependencies')];
  const imported = (files: readonly SourceFile[]): Set<string> =>
    new Set(
      files.flatMap((file) =>
        file.imports
          .filter((one) => one.file === undefined && !one.specifier.startsWith('node:'))
          .map((one) => /^(@[^/]+\/)?[^/]+/.exec(one.specifier)?.[0] ?? one.specifier),
      ),
    );
  const inProduct = imported(productFiles());
  const inTests = imported(testFiles());
  // A package may ask for another one beside it, as commander's typings do for commander.
  const peers = new Set([...inProduct].flatMap(peersOf));
  // Tools are called by name; @types/node is read by the compiler, tsx and prettier by people.
  const called = `${Object.values(manifest['scripts'] ?? {}).join(' ')} ${readText('test/run.sh')} ${readText('eslint.config.js')}`;
  const tools = new Set(['@types/node', 'tsx', 'typescript']);
  return [
    ...[...inProduct]
      .filter((name) => !runtime.includes(name))
      .map((name) => `the product imports ${name}, which is not a dependency`),
    ...runtime
      .filter((name) => !inProduct.has(name) && !peers.has(name))
      .map((name) => `${name} is a dependency that nothing imports`),
    ...[...inTests]
      .filter((name) => !runtime.includes(name) && !names('devDependencies').includes(name))
      .map((name) => `a test imports ${name}, which is not in package.json`),
    ...names('devDependencies')
      .filter((name) => !inTests.has(name) && !tools.has(name) && !called.includes(name))
      .map((name) => `${name} is a development dependency that nothing uses`),
  ];
});

rule('package versions are exact, and the lock file names no host', () => {
  const manifest = JSON.parse(readText('package.json')) as Record<string, Record<string, string>>;
  const loose = ['dependencies', 'optionalDependencies', 'devDependencies'].flatMap((kind) =>
    Object.entries(manifest[kind] ?? {})
      .filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
      .map(([name, version]) => `${name} is asked for as ${version}`),
  );
  const hosts = readText('package-lock.json').match(/"resolved": "[^"]+"/g) ?? [];
  return [...loose, ...new Set(hosts)];
});

rule('the README lists every code that a diagnosis can end in, as the product explains it', () => {
  const cells = (line: string): string =>
    line
      .split('|')
      .map((cell) => cell.trim())
      .join('|');
  const listed = readText('README.md')
    .split('\n')
    .filter((line) => /^\| `[a-z0-9-]+` +\| [A-Z]+ /.test(line))
    .map(cells);
  const known = findingCodes.map(
    ({ code, health, cause, remedy }) => `|\`${code}\`|${health}|${cause}|${remedy}|`,
  );
  return [
    ...known.filter((row) => !listed.includes(row)).map((row) => `missing in the README: ${row}`),
    ...listed.filter((row) => !known.includes(row)).map((row) => `no such code any more: ${row}`),
  ];
});

rule('what the README tells people to run exists, and so do the files it points to', () => {
  const text = readText('README.md');
  const { scripts } = JSON.parse(readText('package.json')) as { scripts: Record<string, string> };
  const code = [...text.matchAll(/```[^]*?```|`[^`\n]+`/g)].map((match) => match[0]).join('\n');
  const commands = [...code.matchAll(/\bnpm (?:run )?([a-z][a-z:-]*)/g)].map((match) => match[1]!);
  const builtIn = new Set(['ci', 'install', 'exec', 'pack', 'run']);
  const links = [...text.matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)].map((match) => match[1]!);
  const files = [...code.matchAll(/\b(?:bash|sh) ([\w./-]+\.sh)\b/g)].map((match) => match[1]!);
  return [
    ...commands
      .filter((name) => scripts[name] === undefined && !builtIn.has(name))
      .map((name) => `npm ${name} is not a script`),
    ...['demo', 'test']
      .filter((name) => !commands.includes(name))
      .map((name) => `the command ${name} is not shown`),
    ...[...links, ...files].filter((path) => !existsSync(join(root, path))),
  ];
});

rule('every script of package.json calls what is there', () => {
  const { scripts } = JSON.parse(readText('package.json')) as { scripts: Record<string, string> };
  return Object.entries(scripts).flatMap(([name, command]) =>
    [...command.matchAll(/\bbash (\S+)/g)]
      .filter((match) => !existsSync(join(root, match[1]!)))
      .map((match) => `npm run ${name} calls ${match[1]}`),
  );
});

rule('nothing tells where or with what it was written', () => {
  // Put together from parts, so that this file does not break its own rule.
  const words = [
    ['(^|[^\\w.])/', 'work', '\\b'],
    ['/', 'farm', '/'],
    ['\\.', 'library', '/'],
    ['registry\\.', 'npmjs', '\\.'],
    ['(deb|ftp)\\.', 'debian', '\\.org'],
    ['/tmp/', 'brief'],
    ['\\bissue', ' \\d+\\b'],
  ].map((parts) => new RegExp(parts.join(''), 'i'));
  return writtenFiles()
    .filter((path) => path !== 'LICENSE')
    .flatMap((path) =>
      readText(path)
        .split('\n')
        .flatMap((line, i) =>
          words.some((word) => word.test(line))
            ? [`${path}:${i + 1} ${line.trim().slice(0, 120)}`]
            : [],
        ),
    );
});

rule('the top level holds only what the house plan says', () => {
  const folders = new Set([...floors, 'test', 'deploy', '.ci']);
  return [
    ...new Set(
      writtenFiles()
        .filter((path) => path.includes('/'))
        .map((path) => path.split('/')[0]!)
        .filter((folder) => !folders.has(folder)),
    ),
  ];
});

function peersOf(name: string): string[] {
  const path = join('node_modules', name, 'package.json');
  if (!existsSync(join(root, path))) return [];
  const { peerDependencies = {} } = JSON.parse(readText(path)) as {
    peerDependencies?: Record<string, string>;
  };
  return Object.keys(peerDependencies);
}

/** An identifier that means the global: not a property's name, a key or something declared. */
function isGlobalUse(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isTypeReferenceNode(parent) || ts.isQualifiedName(parent)) return false;
  const isName = (parent as { readonly name?: ts.Node }).name === node;
  return !isName && !ts.isPropertyAssignment(parent);
}

/** Is this property written in the options of a `t.test(name, { … }, …)`? */
function isInTestOptions(node: ts.PropertyAssignment): boolean {
  const call = node.parent.parent;
  return (
    ts.isCallExpression(call) &&
    ts.isPropertyAccessExpression(call.expression) &&
    call.expression.name.text === 'test'
  );
}
