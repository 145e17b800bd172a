/**
 * The metadata services' token endpoints alone, for tests of the APIs that the tokens open.
 * Shapes: Google's "Access tokens for applications", Azure's "How to use managed identities".
 */
import { type FakeAnswer, FakeJsonApi, type FakeRequest } from './json-api.js';

export class FakeTokens extends FakeJsonApi {
  /** What the service hands out now; each hand-out is a new one with its number at the end. */
  issued = 0;
  lifetimeSeconds = 3600;
  readonly word: string;
  /** No identity is attached to the machine. */
  nobody = false;

  constructor(word = 'ya29.fake-secret') {
    super();
    this.word = word;
  }

  /** Is it one of ours, and not one that was called back? */
  accepts(token: string): boolean {
    return token === `${this.word}-${this.issued}`;
  }

  protected answer({ path, headers }: FakeRequest): FakeAnswer {
    if (path === '/computeMetadata/v1/instance/service-accounts/default/token') {
      if (headers['metadata-flavor'] !== 'Google' || this.nobody)
        return { status: this.nobody ? 404 : 403, headers: { 'metadata-flavor': 'Google' } };
      return {
        status: 200,
        headers: { 'metadata-flavor': 'Google' },
        body: {
          access_token: this.#next(),
          expires_in: this.lifetimeSeconds,
          token_type: 'Bearer',
        },
      };
    }
    if (path === '/metadata/identity/oauth2/token' && headers.metadata === 'true') {
      if (this.nobody)
        return {
          status: 400,
          body: { error: 'invalid_request', error_description: 'Identity not found' },
        };
      const expires = Math.floor(Date.now() / 1000) + this.lifetimeSeconds;
      return {
        status: 200,
        body: {
          access_token: this.#next(),
          expires_in: String(this.lifetimeSeconds),
          expires_on: String(expires),
          token_type: 'Bearer',
        },
      };
    }
    return { status: 404 };
  }

  protected tooMany(): FakeAnswer {
    return { status: 429 };
  }

  protected serverError(): FakeAnswer {
    return { status: 500 };
  }

  #next(): string {
    this.issued++;
    return `${this.word}-${this.issued}`;
  }
}
