package NAMESPACE

import kotlin.math.abs
import kotlin.math.exp
import kotlin.math.max
import kotlin.math.min
import kotlin.math.pow
import kotlin.math.sqrt
import kotlin.math.tanh

/** A grid of places: of each cell one, or one for each anchor's width and height. */
internal class Level(
  val rows: Int,
  val columns: Int,
  val stride: Double,
  val anchors: List<DoubleArray>,
)

/** A box x1, y1, x2, y2 in pixels of the input. */
internal class Found(val box: DoubleArray, val index: Int, val score: Double)

/** From a detector's outputs to boxes: the steps of the contract, and the best of those that overlap. */
internal class Boxes(
  private val form: String,
  private val scores: String,
  private val objectness: String,
  private val columns: List<Int>,
  private val channelsFirst: Boolean,
  private val numbers: Int,
  private val bins: Int,
  private val classes: Int?,
  private val background: Int?,
  private val unit: DoubleArray,
  private val variances: DoubleArray,
  private val levels: List<Level>,
  private val offset: Double,
  private val anchorsFirst: Boolean,
  private val confidence: Double,
  private val overlap: Double,
  private val most: Int,
  private val candidates: Int,
) {
  private class Place(
    val x: Double,
    val y: Double,
    val stride: Double,
    val width: Double = 0.0,
    val height: Double = 0.0,
  )

  private val places = levels.flatMap { grid(it) }

  /** Boxes of the outputs that are read, the highest score first. */
  fun found(parts: List<FloatArray>): List<Found> {
    val rows = table(parts)
    val found = scored(rows).flatMapIndexed { i, row ->
      val kept = row.indices.filter { row[it] >= confidence }
      if (kept.isEmpty()) emptyList() else box(rows[i], i).let { kept.map { k -> Found(it, k, row[k]) } }
    }
    return best(found)
  }

  /** The numbers of each place, of outputs side by side. */
  private fun table(parts: List<FloatArray>): List<DoubleArray> {
    val joined = List(parts[0].size / columns[0]) { row ->
      parts.zip(columns).flatMap { (part, width) ->
        List(width) { part[row * width + it].toDouble() }
      }.toDoubleArray()
    }
    if (!channelsFirst) return joined
    return List(joined[0].size) { place -> DoubleArray(joined.size) { joined[it][place] } }
  }

  private fun grid(level: Level): List<Place> {
    val (stride, anchors) = Pair(level.stride, level.anchors)
    val cells = List(level.rows * level.columns) {
      Place((it % level.columns + offset) * stride, (it / level.columns + offset) * stride, stride)
    }
    fun anchored(cell: Place, one: DoubleArray) = Place(cell.x, cell.y, stride, one[0], one[1])
    if (anchors.isEmpty()) return cells
    if (anchorsFirst) return anchors.flatMap { one -> cells.map { anchored(it, one) } }
    return cells.flatMap { cell -> anchors.map { anchored(cell, it) } }
  }

  private fun box(row: DoubleArray, place: Int): DoubleArray = when (form) {
    "corners" -> DoubleArray(4) { row[it] * unit[it % 2] }
    "centers" -> around(row[0], row[1], row[2], row[3]).also { for (i in 0 until 4) it[i] *= unit[i % 2] }
    else -> box(row, places[place])
  }

  private fun box(row: DoubleArray, at: Place): DoubleArray = when (form) {
    "sides" -> sides(at) { max(row[it], 0.0) * at.stride }
    "distributions" -> sides(at) { mean(row.copyOfRange(it * bins, (it + 1) * bins)) * at.stride }
    "cells" ->
      around(at.x + row[2] * at.stride, at.y + row[3] * at.stride, row[0] * at.stride, row[1] * at.stride)
    "offsets" -> {
      val (x, y, width, height) = DoubleArray(4) { row[it] * variances[it] }
      around(
        at.x + x * at.width, at.y + y * at.height,
        at.width * exp(min(width, 10.0)), at.height * exp(min(height, 10.0)),
      )
    }
    "logits" -> {
      val (x, y, width, height) = DoubleArray(4) { sigmoid(row[it]) * 2 }
      around(
        at.x + (x - 1) * at.stride, at.y + (y - 1) * at.stride,
        width.pow(2) * at.width, height.pow(2) * at.height,
      )
    }
    else -> error("no form of a box: $form")
  }

  /** The scores of each place, without the background's. */
  private fun scored(rows: List<DoubleArray>): List<DoubleArray> {
    var found = if (scores == "listed") listed(rows) else rows.map { own(it) }
    if (scores == "peaks") found = peaks(found, levels[0])
    if (background == null) return found
    return found.map { row -> row.filterIndexed { index, _ -> index != background }.toDoubleArray() }
  }

  private fun own(row: DoubleArray): DoubleArray {
    val own = ready(row.copyOfRange(numbers + if (objectness == "") 0 else 1, row.size))
    if (objectness == "") return own
    val there = ready(doubleArrayOf(row[numbers]))[0]
    return DoubleArray(own.size) { (there * own[it]).let { both -> if (objectness == "root") sqrt(both) else both } }
  }

  private fun ready(row: DoubleArray): DoubleArray = when (scores) {
    "probabilities" -> row
    "softmax" -> softmax(row)
    else -> DoubleArray(row.size) { sigmoid(row[it]) }
  }

  /** Scores of boxes that come with the number of their class. */
  private fun listed(rows: List<DoubleArray>): List<DoubleArray> {
    val count = classes ?: (rows.maxOf { it[5].toInt() } + 1)
    return rows.map { row -> DoubleArray(count) { if (it == row[5].toInt()) row[4] else 0.0 } }
  }

  /** A heatmap where the highest of their 3x3 neighbors alone remain. */
  private fun peaks(heat: List<DoubleArray>, level: Level) = List(heat.size) { place ->
    val (y, x) = Pair(place / level.columns, place % level.columns)
    DoubleArray(heat[place].size) { index ->
      val value = heat[place][index]
      val higher = (max(0, y - 1)..min(level.rows - 1, y + 1)).any { v ->
        (max(0, x - 1)..min(level.columns - 1, x + 1)).any { heat[v * level.columns + it][index] > value }
      }
      if (higher) 0.0 else value
    }
  }

  /** Non-maximum suppression within each class, by decreasing score; 1 suppresses nothing. */
  private fun best(found: List<Found>): List<Found> {
    val span = (found.maxOfOrNull { one -> one.box.maxOf { abs(it) } } ?: 0.0) * 2 + 1
    var left = found.sortedByDescending { it.score }.take(candidates).map { one ->
      Pair(one, DoubleArray(4) { one.box[it] + span * one.index })
    }
    val kept = mutableListOf<Found>()
    while (left.isNotEmpty() && kept.size < most) {
      val (one, apart) = left[0]
      kept += one
      left = left.drop(1).filter { overlap >= 1 || shared(apart, it.second) <= overlap }
    }
    return kept
  }

  /** Intersection over union of two boxes. */
  private fun shared(a: DoubleArray, b: DoubleArray): Double {
    val width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    val height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    val areas = (b[2] - b[0]) * (b[3] - b[1]) + (a[2] - a[0]) * (a[3] - a[1])
    return width * height / max(areas - width * height, 1e-12)
  }

  private fun around(x: Double, y: Double, width: Double, height: Double) =
    doubleArrayOf(x - width / 2, y - height / 2, x + width / 2, y + height / 2)

  /** Corners by the distances (left, top, right, bottom) from a place. */
  private fun sides(at: Place, side: (Int) -> Double) =
    doubleArrayOf(at.x - side(0), at.y - side(1), at.x + side(2), at.y + side(3))

  /** The mean of a distribution over 0, 1, 2, ... that is given by logits. */
  private fun mean(logits: DoubleArray) =
    softmax(logits).foldIndexed(0.0) { bin, sum, weight -> sum + weight * bin }

  private fun softmax(row: DoubleArray): DoubleArray {
    val most = row.max()
    val powers = DoubleArray(row.size) { exp(row[it] - most) }
    val sum = powers.sum()
    return DoubleArray(row.size) { powers[it] / sum }
  }

  private fun sigmoid(x: Double) = 0.5 + 0.5 * tanh(x / 2)
}
