/** The coordinator's address as people write it: with or without a slash at its end, at the root of a host or below a path. */

/** @param path without a slash at its beginning */
export function addressOf(coordinator: string | URL, path: string): URL {
  const base = new URL(coordinator);
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  return new URL(path, base);
}

/**
 * A namespace of its sockets. socket.io takes the path of an address for the namespace, and the path of its requests
 * beside it.
 */
export function socketAddressOf(
  coordinator: string | URL,
  namespace: 'agents' | 'watch',
): { readonly url: string; readonly path: string } {
  const { pathname, origin } = addressOf(coordinator, 'socket.io/');
  return { url: `${origin}/${namespace}`, path: pathname };
}
