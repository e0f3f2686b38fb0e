"""Optical character recognition, by the engine that the settings name.

lines              what an engine gives back; order of lines
rapid, tesseract   the engines
cache              pages that were recognised before, by the image's hash
reader             many images at a time, in order, through the cache

Nothing here is loaded before the first image is read: most books have none.
"""

from ingest.readers.ocr.lines import OcrLine, Recognised, in_reading_order
from ingest.readers.ocr.reader import OCR_CPU_SECONDS, Ocr

__all__ = ["OCR_CPU_SECONDS", "Ocr", "OcrLine", "Recognised", "in_reading_order"]
