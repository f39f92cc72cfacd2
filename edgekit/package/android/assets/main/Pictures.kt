package NAMESPACE

import android.graphics.Bitmap
import android.os.Build

/** The pixels of a bitmap; one in the memory of the GPU is copied first. */
fun Bitmap.pixels(): Pixels {
  val hardware = Build.VERSION.SDK_INT >= 26 && config == Bitmap.Config.HARDWARE
  val readable = if (hardware) copy(Bitmap.Config.ARGB_8888, false) else this
  val colors = IntArray(width * height)
  readable.getPixels(colors, 0, width, 0, 0, width, height)
  return Pixels(colors, width, height)
}
