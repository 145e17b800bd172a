/** What Azure's metadata service tells: the token of the machine's identity. */
export { managedIdentityToken, type ManagedIdentityToken } from './metadata-token.js';
