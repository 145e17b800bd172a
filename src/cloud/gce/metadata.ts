/** What GCE's metadata service tells: the token of the instance's service account. */
export { serviceAccountToken, type ServiceAccountToken } from './metadata-token.js';
