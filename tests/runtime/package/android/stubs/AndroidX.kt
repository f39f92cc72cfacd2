package androidx.test.platform.app

import android.content.res.AssetManager
import java.io.File

class Context(val assets: AssetManager)

class Instrumentation(val context: Context, val targetContext: Context)

object InstrumentationRegistry {
  private fun context(folder: String) = Context(AssetManager(File(System.getProperty(folder))))

  @JvmStatic
  fun getInstrumentation() = Instrumentation(context("fixtures"), context("assets"))
}
