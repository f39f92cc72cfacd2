// What the packages use of Android, on a JVM: signatures as published, bodies for tests.
package android.content.res

import java.io.File
import java.io.InputStream

class AssetManager(val root: File) {
  fun open(fileName: String): InputStream = File(root, fileName).inputStream()
}
