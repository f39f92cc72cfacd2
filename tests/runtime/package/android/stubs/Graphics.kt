package android.graphics

import java.awt.image.BufferedImage
import java.io.File
import java.io.InputStream
import javax.imageio.ImageIO

class Bitmap(private val image: BufferedImage) {
  enum class Config { ALPHA_8, RGB_565, ARGB_4444, ARGB_8888, RGBA_F16, HARDWARE }

  val width: Int get() = image.width
  val height: Int get() = image.height
  val config: Config? get() = Config.HARDWARE

  fun copy(config: Config, isMutable: Boolean): Bitmap = this

  fun getPixels(pixels: IntArray, offset: Int, stride: Int, x: Int, y: Int, width: Int, height: Int) {
    if (image.raster.numBands > 1) image.getRGB(x, y, width, height, pixels, offset, stride)
    else for (i in 0 until width * height) { // Java takes gray for linear and brightens it
      val gray = image.raster.getSample(x + i % width, y + i / width, 0)
      pixels[offset + i / width * stride + i % width] = (255 shl 24) or (gray * 0x010101)
    }
  }
}

object BitmapFactory {
  fun decodeStream(stream: InputStream): Bitmap? = Bitmap(ImageIO.read(stream))
  fun decodeFile(path: String): Bitmap? = Bitmap(ImageIO.read(File(path)))
}
