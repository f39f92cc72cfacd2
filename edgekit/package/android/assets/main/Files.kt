package NAMESPACE

import android.content.res.AssetManager
import java.io.IOException
import java.io.InputStream
import java.security.MessageDigest

/** The bytes of an asset, whose SHA-256 is that of this package. Raises ModelException. */
internal fun AssetManager.checked(asset: String, sha256: String): ByteArray =
  try {
    open(asset).use { it.readBytes() }.also { check(asset, digest(it.inputStream()), sha256) }
  } catch (error: IOException) {
    throw ModelException(ModelException.Code.FILES, "Cannot read $asset: ${error.message}", error)
  }

/** Raises ModelException where a stream is not the file of this package. */
internal fun verify(name: String, sha256: String, open: () -> InputStream) =
  try {
    check(name, open().use(::digest), sha256)
  } catch (error: IOException) {
    throw ModelException(ModelException.Code.FILES, "Cannot read $name: ${error.message}", error)
  }

private fun check(name: String, found: String, expected: String) {
  if (found != expected)
    throw ModelException(ModelException.Code.FILES, "$name is not the file of this package")
}

private fun digest(stream: InputStream): String {
  val digest = MessageDigest.getInstance("SHA-256")
  val part = ByteArray(1 shl 16)
  while (true) {
    val count = stream.read(part)
    if (count < 0) break
    digest.update(part, 0, count)
  }
  return digest.digest().joinToString("") { "%02x".format(it) }
}
