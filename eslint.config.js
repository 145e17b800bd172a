// What the compiler cannot see: forgotten awaits, unsafe `any` from libraries, switches that miss a
// case. Formatting is prettier's alone.
import tseslint from 'typescript-eslint';

export default tseslint.config(
  {
    ignores: [
      'dist/',
      '.tap/',
      'node_modules/',
      'tunnel/native/build/',
      'tunnel/native/prebuilds/',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'no-param-reassign': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false },
      ],
      '@typescript-eslint/ban-ts-comment': 'error',
      // Numbers belong in messages, and so does the `undefined` of an unchecked index; objects do not.
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true, allowNullish: true },
      ],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { ignoreRestSiblings: true, argsIgnorePattern: '^_' },
      ],
      '@typescript-eslint/prefer-nullish-coalescing': ['error', { ignorePrimitives: true }],

      // Off, and why:
      // returning a void call is how a one-line handler reads best;
      '@typescript-eslint/no-confusing-void-expression': 'off',
      // a value that a callback changes looks constant to the linter, and guards look superfluous;
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // functions in plain objects are taken out of them everywhere here, and use no `this`;
      '@typescript-eslint/unbound-method': 'off',
      // index access is checked by the compiler: where bounds are known, `!` says so;
      '@typescript-eslint/no-non-null-assertion': 'off',
      // `env['NAME']` shows that the name is data;
      '@typescript-eslint/dot-notation': 'off',
      // spreading a string gives its code points, which is what is wanted where it is done;
      '@typescript-eslint/no-misused-spread': 'off',
      // an implementation of an asynchronous port need not wait for anything itself;
      '@typescript-eslint/require-await': 'off',
      // a type alias and an interface are equally good for plain data.
      '@typescript-eslint/consistent-type-definitions': 'off',
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      'no-console': 'off',
      // tap returns a promise from t.test at top level that nobody has to wait for.
      '@typescript-eslint/no-floating-promises': 'off',
      // Parsed output of other programs, given the type that the test expects.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      // Fuzzing takes keys out of documents.
      '@typescript-eslint/no-dynamic-delete': 'off',
    },
  },
);
